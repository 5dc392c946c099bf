"""A small neural network, one hidden layer, trained by stochastic gradient descent."""

import math


class Network:
    """Measures in, one probability for each kind out."""

    def __init__(self, inputs, hidden, kinds, random):
        self.kinds = kinds
        self.below = _weights(hidden, inputs, random)
        self.above = _weights(len(kinds), hidden, random)

    def probabilities(self, measures):
        """One probability for each kind, and the state of the hidden layer."""
        measures = [*measures, 1.0]
        hidden = [math.tanh(_dot(weights, measures)) for weights in self.below]
        scores = [_dot(weights, [*hidden, 1.0]) for weights in self.above]
        highest = max(scores)
        powers = [math.exp(score - highest) for score in scores]
        total = sum(powers)
        return [power / total for power in powers], hidden

    def kind(self, measures):
        """The most probable kind."""
        probabilities, _ = self.probabilities(measures)
        return self.kinds[max(range(len(probabilities)), key=probabilities.__getitem__)]

    def learn(self, measures, kind, rate):
        """One step down the gradient of the cross entropy; returns the loss before it."""
        probabilities, hidden = self.probabilities(measures)
        truth = self.kinds.index(kind)
        errors = [p - (place == truth) for place, p in enumerate(probabilities)]
        back = [
            (1.0 - state * state) * sum(error * weights[place] for error, weights in zip(errors, self.above))
            for place, state in enumerate(hidden)
        ]
        _descend(self.above, errors, [*hidden, 1.0], rate)
        _descend(self.below, back, [*measures, 1.0], rate)
        return -math.log(max(probabilities[truth], 1e-12))


def _weights(outputs, inputs, random):
    spread = 1.0 / math.sqrt(inputs + 1)
    return [[random.uniform(-spread, spread) for _ in range(inputs + 1)] for _ in range(outputs)]


def _dot(weights, values):
    return sum(weight * value for weight, value in zip(weights, values))


def _descend(layer, errors, values, rate):
    for weights, error in zip(layer, errors):
        step = rate * error
        for place, value in enumerate(values):
            weights[place] -= step * value
