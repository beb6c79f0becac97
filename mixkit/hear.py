"""The module that HEAR's tools are told by name: `hear-validator mixkit.hear --model runs/asm_rh/001`."""

from mixkit.export.hear import get_scene_embeddings, get_timestamp_embeddings, load_model

__all__ = ["get_scene_embeddings", "get_timestamp_embeddings", "load_model"]
