/* The loops of the peers that a Python loop would make look slow: the plain copy of the boxes, and Intel IPP.
 *
 * Compiled with the system's C compiler when the benchmarks start; see native.py. Images are addressed by strides in
 * bytes, so that the same loop serves (N, H, W, C), one plane of all channels, and (N, C, H, W), C planes of one.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint8_t *data;
    int64_t image_stride, plane_stride, row_stride; /* bytes */
    int64_t planes, pixel_size;                     /* bytes of one pixel of one plane */
} Images;

static uint8_t *corner(const Images *images, const int64_t *box, int64_t plane) {
    return images->data + box[0] * images->image_stride + plane * images->plane_stride +
           box[2] * images->row_stride + box[1] * images->pixel_size;
}

/* Every box out into a dense block and back. Rows of boxes: image, x1, y1, x2, y2. Returns 0, or -1 without memory. */
int copy_boxes(const Images *images, const int64_t *boxes, int64_t count) {
    int64_t largest = 0;
    for (int64_t i = 0; i < count; i++) {
        const int64_t *box = boxes + 5 * i;
        const int64_t size = (box[3] - box[1]) * (box[4] - box[2]) * images->pixel_size;
        largest = size > largest ? size : largest;
    }
    uint8_t *block = malloc((size_t)largest + 1);
    if (!block) return -1;
    for (int64_t i = 0; i < count; i++) {
        const int64_t *box = boxes + 5 * i;
        const int64_t rows = box[4] - box[2];
        const size_t length = (size_t)((box[3] - box[1]) * images->pixel_size);
        for (int64_t plane = 0; plane < images->planes; plane++) {
            uint8_t *pixels = corner(images, box, plane);
            for (int64_t y = 0; y < rows; y++) memcpy(block + y * length, pixels + y * images->row_stride, length);
            /* Keeps the compiler from seeing that the copy back changes nothing. */
            __asm__ volatile("" : : "r"(block) : "memory");
            for (int64_t y = 0; y < rows; y++) memcpy(pixels + y * images->row_stride, block + y * length, length);
        }
    }
    free(block);
    return 0;
}

typedef struct {
    int width, height;
} IppiSize;

/* The functions of ippcv, as its header declares them. The filter takes the border's value as a number for one channel
 * and as a pointer for three: both are unused with a replicated border, and passed alike in an integer register, except
 * that of 32f_C1R, which is a float. */
typedef int (*GetBufferSize)(IppiSize, uint32_t kernel, int type, int channels, int *spec, int *buffer);
typedef int (*Init)(IppiSize, uint32_t kernel, float sigma, int border, int type, int channels, void *spec, uint8_t *);
typedef int (*Filter)(const void *, int, void *, int, IppiSize, const void *value, const void *spec, uint8_t *);
typedef int (*FilterFloat1)(const void *, int, void *, int, IppiSize, float value, const void *spec, uint8_t *);

enum { IPP_8U = 1, IPP_32F = 13, IPP_BORDER_REPLICATE = 1 };

static int reserve(uint8_t **block, size_t *capacity, size_t size) {
    if (size <= *capacity) return 0;
    free(*block);
    *block = aligned_alloc(64, (size + 63) / 64 * 64);
    *capacity = *block ? size : 0;
    return *block ? 0 : -1;
}

/* IPP's Gaussian of every box, kernel radius int(3 sigma + 0.5); it cannot work in place, so out into a dense block and
 * back. Returns 0, -1 without memory, or IPP's own status. */
int ipp_gaussian_boxes(const Images *images, const int64_t *boxes, const double *sigmas, int64_t count, int type,
                       int channels, GetBufferSize get_buffer_size, Init init, Filter filter) {
    uint8_t *spec = NULL, *buffer = NULL, *block = NULL;
    size_t spec_capacity = 0, buffer_capacity = 0, block_capacity = 0;
    int status = 0;
    for (int64_t i = 0; i < count && status == 0; i++) {
        const int64_t *box = boxes + 5 * i;
        const IppiSize size = {(int)(box[3] - box[1]), (int)(box[4] - box[2])};
        const size_t length = (size_t)size.width * (size_t)images->pixel_size;
        const uint32_t kernel = 2 * (uint32_t)(3 * sigmas[i] + 0.5) + 1;
        int spec_size = 0, buffer_size = 0;
        status = get_buffer_size(size, kernel, type, channels, &spec_size, &buffer_size);
        if (status == 0 && (reserve(&spec, &spec_capacity, (size_t)spec_size) ||
                            reserve(&buffer, &buffer_capacity, (size_t)buffer_size) ||
                            reserve(&block, &block_capacity, length * (size_t)size.height)))
            status = -1;
        if (status == 0)
            status = init(size, kernel, (float)sigmas[i], IPP_BORDER_REPLICATE, type, channels, spec, buffer);
        for (int64_t plane = 0; plane < images->planes && status == 0; plane++) {
            uint8_t *pixels = corner(images, box, plane);
            const int step = (int)images->row_stride;
            static const double zeros[3] = {0, 0, 0};
            if (type == IPP_32F && channels == 1)
                status = ((FilterFloat1)filter)(pixels, step, block, (int)length, size, 0.0f, spec, buffer);
            else
                status = filter(pixels, step, block, (int)length, size, channels == 3 ? zeros : NULL, spec, buffer);
            for (int64_t y = 0; y < size.height && status == 0; y++)
                memcpy(pixels + y * images->row_stride, block + (size_t)y * length, length);
        }
    }
    free(spec);
    free(buffer);
    free(block);
    return status;
}
