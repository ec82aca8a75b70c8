"""How an exported network is used, as code for its card: one block a format, that runs as it stands."""

from __future__ import annotations

from pathlib import Path

from nas.export.subject import Subject

CODE = {
    "onnx": """\
import numpy
import onnxruntime

session = onnxruntime.InferenceSession("{file}", providers=["CPUExecutionProvider"])
image = numpy.zeros((1, {image}), dtype=numpy.float32)  # {values}
(scores,) = session.run(["scores"], {{"image": image}})
print(scores.argmax(axis=1))""",
    "torch-export": """\
import torch

network = torch.export.load("{file}").module()
image = torch.zeros(1, {image})  # {values}
scores = network(image)
print(scores.argmax(dim=1))""",
    "torchscript": """\
import torch

network = torch.jit.load("{file}")
image = torch.zeros(1, {image})  # {values}
scores = network(image)
print(scores.argmax(dim=1))""",
    "python": """\
import torch

from {module} import load

network = load()
image = torch.zeros(1, {image})  # {values}
with torch.inference_mode():
    scores = network(image)
print(scores.argmax(dim=1))""",
}


def code(form: str, file: str, subject: Subject) -> list[str]:
    """The lines for a file in a format."""
    values = "values in [0, 1]" if subject.normalises else "normalised" if subject.checkpoint else "any values"
    image = ", ".join(map(str, subject.image))
    return CODE[form].format(file=file, module=Path(file).stem, image=image, values=values).splitlines()
