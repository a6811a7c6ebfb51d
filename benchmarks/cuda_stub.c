/* A CUDA driver that does nothing and says that all went well: what fastblur calls of it, for gpu_host.py. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

static char context, module, function, event;

int cuInit(unsigned flags) { return 0; }
int cuDeviceGet(int* device, int ordinal) { return *device = 0; }
int cuDevicePrimaryCtxRetain(void** result, int device) { return *result = &context, 0; }
int cuCtxGetCurrent(void** result) { return *result = &context, 0; }
int cuPointerGetAttribute(void* data, int attribute, uint64_t pointer) { return *(int*)data = 0; }
int cuModuleLoadData(void** result, const void* image) { return *result = &module, 0; }
int cuModuleGetFunction(void** result, void* from, const char* name) { return *result = &function, 0; }
int cuFuncSetAttribute(void* of, int attribute, int value) { return 0; }
int cuMemHostAlloc(void** result, size_t bytes, unsigned flags) { return *result = malloc(bytes), 0; }
int cuMemAllocAsync(uint64_t* result, size_t bytes, void* stream) { return *result = 1 << 20, 0; }
int cuMemFreeAsync(uint64_t pointer, void* stream) { return 0; }
int cuMemcpyHtoDAsync_v2(uint64_t target, const void* source, size_t bytes, void* stream) { return 0; }
int cuEventCreate(void** result, unsigned flags) { return *result = &event, 0; }
int cuEventQuery(void* of) { return 0; }
int cuEventRecord(void* of, void* stream) { return 0; }
int cuLaunchKernel(void* of, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                   unsigned block_z, unsigned shared, void* stream, void** parameters, void** extra) {
  return 0;
}
