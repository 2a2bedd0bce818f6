"""Lets `streaming` be imported beside a torch without CUDA.

It imports torchvision for data sets that are not used here; the only builds of torchvision on PyPI need a torch with
CUDA, and where theirs is missing its operators are too, and importing it fails. It asks for these two to be declared.
"""

import importlib

import torch

LIBRARY = torch.library.Library("torchvision", "FRAGMENT")  # kept: what it declares goes when it does
for name in ("nms", "qnms"):
    if not hasattr(torch.ops.torchvision, name):
        LIBRARY.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

streaming = importlib.import_module("streaming")
