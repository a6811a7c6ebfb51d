"""Every kernel once or twice, at sizes that compute-sanitizer gets through. Run by test_compute_sanitizer."""

from __future__ import annotations

import torch

import fastblur


def main() -> None:
    torch.manual_seed(0)
    for dtype in (torch.uint8, torch.uint16, torch.float16, torch.float32):
        image = (torch.rand((3, 231, 333), device="cuda") * 200).to(dtype)
        for view, layout in (
            (image, "CHW"),
            (image.permute(1, 2, 0), "HWC"),
            (image.permute(1, 2, 0).contiguous(), "HWC"),
        ):
            boxes = [(3, 5, 62, 71), (80, 3, 330, 229)]
            for border in ("reflect", "symmetric", "replicate"):
                fastblur.gaussian_blur(view, boxes, [6.0, 9.0], border_mode=border, layout=layout, out=view)
                fastblur.gaussian_blur(view, boxes, 1.5, border_mode=border, layout=layout, out=view)
            fastblur.gaussian_blur(view, boxes, 6.0, shape="ellipse", feather=5, layout=layout, out=view)
            fastblur.pixelate(view, boxes, 9, layout=layout, out=view)
            fastblur.pixelate(view, boxes, 220, layout=layout, out=view)
            fastblur.fill(view, boxes, 3, layout=layout, out=view)
    torch.cuda.synchronize()


if __name__ == "__main__":
    main()
