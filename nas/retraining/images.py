"""The images of a final training: those that a search trained on and those that it ranked its children by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nas.data import Dataset, DataSpec, Split, load


def all_images(spec: DataSpec) -> Dataset:
    """The dataset of `spec`; where it holds nothing out, a validation split of the data's own is trained on too.

    Not that of a streamed folder, which stays what it is. Mean and deviation remain those of the published training
    images. The test split is not read. Raises `DataError`.
    """
    data = load(spec)
    first, second = data.train.images, data.validation.images
    if spec.validation or not len(data.validation):
        return data
    if not (isinstance(first, np.ndarray) and isinstance(second, np.ndarray)):
        return data
    labels = np.concatenate([data.train.labels, data.validation.labels])
    train = Split(np.concatenate([first, second]), labels)
    empty = Split(second[:0], data.validation.labels[:0])
    return replace(data, key=f"{data.key}+val", train=train, validation=empty)
