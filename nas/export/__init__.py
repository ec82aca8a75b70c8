"""A network for use elsewhere: ONNX, torch.export, TorchScript, or a Python file. docs/export.md

subject.py            what is exported, and what the files say of it
onnx.py torch_export.py torchscript.py python_module.py     one format each: `write` a file, and have it `opened` again
forms.py branches.py blocks.py network_class.py lines.py     its Python: operations, branches, blocks, the network
compare.py quiet.py   whether an export gives the network's scores; exporters print much
card.py timing.py loading.py     the model card; its latencies; its code
exporting.py order.py     one export: whole, compared and in place, or nothing; with its card
"""

from nas.export.exporting import FORMATS, Exported, export
from nas.export.subject import Subject

__all__ = ["FORMATS", "Exported", "Subject", "export"]
