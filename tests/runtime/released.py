"""The released models by short names."""

MODELS = {
    "i-resnext": "fashion-mnist-quick/i-resnext",
    "is-resnext": "fashion-mnist-quick/is-resnext",
    "msdnet": "fashion-mnist-quick/msdnet",
}
EVERY = [*MODELS, "cifar10/i-resnext", "cifar10/is-resnext", "cifar10/msdnet"]
