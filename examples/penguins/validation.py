"""Training, and how well it generalizes: cross validation."""

from random import Random

from penguins.network import Network

FOLDS = 5
HIDDEN = 8


def train(samples, rate, epochs, seed):
    """A network that has seen all samples `epochs` times, and its last mean loss."""
    random = Random(seed)
    kinds = sorted({kind for _, kind in samples})
    network = Network(len(samples[0][0]), HIDDEN, kinds, random)
    order = list(samples)
    loss = 0.0
    for _ in range(epochs):
        random.shuffle(order)
        loss = sum(network.learn(measures, kind, rate) for measures, kind in order) / len(order)
    return network, loss


def cross_validate(samples, rate, epochs, seed):
    """For each fold: its number, the loss, and the (true kind, told kind) of what was held back."""
    order = list(samples)
    Random(seed).shuffle(order)
    for fold in range(FOLDS):
        held_back = order[fold::FOLDS]
        seen = [sample for place, sample in enumerate(order) if place % FOLDS != fold]
        network, loss = train(seen, rate, epochs, seed + fold)
        yield fold + 1, loss, [(kind, network.kind(measures)) for measures, kind in held_back]
