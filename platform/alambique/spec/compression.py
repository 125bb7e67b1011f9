"""What a job makes of its student besides the network itself: smaller and faster files."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, field_validator

from alambique.spec.fields import Fraction, Spec, Whole, repeated


class Format(StrEnum):
    """A form that a network's file can have."""

    ONNX = "onnx"
    """ONNX in float32, for onnxruntime."""
    ONNX_INT8 = "onnx-int8"
    """ONNX with weights in int8, activations quantized as they come."""
    ONNX_INT8_STATIC = "onnx-int8-static"
    """ONNX in int8, with ranges of activations that were taken over training texts."""
    OPENVINO = "openvino"
    """OpenVINO's form, in float32."""
    OPENVINO_INT8 = "openvino-int8"
    """OpenVINO's form with its own int8, ranges taken over training texts."""
    BF16 = "bf16"
    """Safetensors with weights of 16 bits, as bfloat16."""
    FP16 = "fp16"
    """Safetensors with weights of 16 bits, as float16."""

    @property
    def has_engine_file(self) -> bool:
        """Whether an engine runs it that needs no torch."""
        return self not in (Format.BF16, Format.FP16)

    @property
    def is_calibrated(self) -> bool:
        """Whether ranges of activations are taken over texts."""
        return self in (Format.ONNX_INT8_STATIC, Format.OPENVINO_INT8)

    @property
    def is_quantized(self) -> bool:
        """Whether its numbers are int8."""
        return self in (Format.ONNX_INT8, Format.ONNX_INT8_STATIC, Format.OPENVINO_INT8)


class Compression(Spec):
    """Which files are made of each distilled student, and how much of its score they may cost."""

    formats: Annotated[tuple[Format, ...], Field(max_length=len(Format))] = ()
    tolerance: Fraction = 0.01
    """The part of the student's score on the validation examples that a file may lose. One that
    loses more is reported with its figures, and not registered."""
    calibration: Annotated[Whole, Field(ge=1, le=100_000)] = 256
    """Training texts that the ranges of activations are taken over."""

    @field_validator("formats")
    @classmethod
    def _check_each_once(cls, formats: tuple[Format, ...]) -> tuple[Format, ...]:
        if repeated(formats):
            raise ValueError("a format is given twice: it would make the same file again")
        return formats
