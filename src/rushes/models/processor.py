"""The processor and the chat template that other engines read, so that they ask a trained model as we do.

``AutoProcessor`` of the library makes the same token ids and the same patches of `Chat.messages` and the
pictures of a sample. It needs torchvision for videos; nothing here does. With time marks our rotary positions
follow the clock, which no other engine computes; without them they are the library's own.
"""

from __future__ import annotations

from pathlib import Path

from rushes.models.pixels import CLIP_MEAN, CLIP_STD, MERGE, PAIR, PATCH
from rushes.recipe.preprocessing import FramePreprocessing
from rushes.stages import write_atomic, write_json

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message.role + '\\n' -}}"
    "{%- if message.content is string -%}{{- message.content -}}{%- else -%}"
    "{%- for item in message.content -%}"
    "{%- if item.type == 'video' -%}{{- '<|vision_start|><|video_pad|><|vision_end|>' -}}"
    "{%- elif item.type == 'image' -%}{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}"
    "{%- else -%}{{- item.text -}}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "{{- '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)
"""Without the system prompt that the released checkpoints put in front: the model was trained without one."""


def write_processor(preprocessing: FramePreprocessing, folder: Path) -> None:
    """Write ``processor_config.json`` and ``chat_template.jinja``, over those of the base if they stand there."""
    width, height = preprocessing.picture_size
    common = {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [round(float(value), 8) for value in CLIP_MEAN],
        "image_std": [round(float(value), 8) for value in CLIP_STD],
        "merge_size": MERGE,
        "patch_size": PATCH,
        "resample": 3,
        "rescale_factor": 1 / 255,
        # Least and most pixels: pictures of the right size stay as they are, others come as near as they can.
        "size": {"shortest_edge": width * height, "longest_edge": width * height},
        "temporal_patch_size": PAIR,
    }
    video = {"do_sample_frames": False, "cap_pixels_per_frame": False}
    write_json(
        folder / "processor_config.json",
        {
            "processor_class": "Qwen2_5_VLProcessor",
            "image_processor": {**common, "image_processor_type": "Qwen2VLImageProcessor"},
            "video_processor": {**common, **video, "video_processor_type": "Qwen2VLVideoProcessor"},
        },
    )
    write_atomic(folder / "chat_template.jinja", CHAT_TEMPLATE)
