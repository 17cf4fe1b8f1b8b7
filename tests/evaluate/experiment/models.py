"""Small models of images with random weights, as transformers saves them, and images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image


def save_images(folder: Path, count: int = 3) -> Path:
    """Write images of random pixels, one of them grey."""
    draw = np.random.default_rng(0)
    (folder / "inner").mkdir(parents=True)
    for number in range(count):
        pixels = draw.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        place = folder / "inner" if number % 2 else folder
        Image.fromarray(pixels[..., 0] if number == 1 else pixels).save(place / f"{number}.png")
    (folder / "labels.txt").write_text("no image")
    return folder


def save_resnet(folder: Path) -> Path:
    """A ResNet of two stages for five classes."""
    torch.manual_seed(0)
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=5
    )
    model = transformers.ResNetForImageClassification(config)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2.0)
    model.save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def save_rt_detr(folder: Path) -> Path:
    """An RT-DETR that finds five boxes of three classes."""
    torch.manual_seed(0)
    backbone = transformers.RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 8, 8, 8],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = transformers.RTDetrConfig(
        backbone_config=backbone,
        encoder_hidden_dim=8,
        encoder_in_channels=[8, 8, 8],
        encoder_ffn_dim=8,
        encoder_attention_heads=2,
        d_model=8,
        num_queries=5,
        decoder_in_channels=[8, 8, 8],
        decoder_ffn_dim=8,
        decoder_layers=1,
        decoder_attention_heads=2,
        num_labels=3,
        num_denoising=0,
    )
    transformers.RTDetrForObjectDetection(config).save_pretrained(folder)
    processor = transformers.RTDetrImageProcessor(size={"height": 32, "width": 32})
    processor.save_pretrained(folder)
    return folder
