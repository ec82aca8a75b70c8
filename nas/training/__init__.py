"""Training one network: batches on the device, the step, the epochs, and what all of it takes in memory.

`train.train` is the whole in one call; nothing is imported here, since PyTorch takes seconds.
"""
