"""Softmax regression on the measures and their powers, by gradient descent."""

from math import exp


class Model:
    def __init__(self, kinds, depth):
        self.kinds = kinds
        self.depth = depth
        self.weights = None

    def _features(self, measures):
        return [1.0] + [value**power for power in range(1, self.depth + 1) for value in measures]

    def chances(self, measures):
        features = self._features(measures)
        scores = [sum(w * x for w, x in zip(row, features)) for row in self.weights]
        top = max(scores)
        parts = [exp(score - top) for score in scores]
        whole = sum(parts)
        return [part / whole for part in parts]

    def fit_round(self, samples, rate):
        """One step along the gradient over all samples."""
        width = len(self._features(samples[0][0]))
        if self.weights is None:
            self.weights = [[0.0] * width for _ in self.kinds]
        steps = [[0.0] * width for _ in self.kinds]
        for measures, kind in samples:
            features = self._features(measures)
            for place, chance in enumerate(self.chances(measures)):
                wrong = (self.kinds[place] == kind) - chance
                steps[place] = [step + wrong * x for step, x in zip(steps[place], features)]
        for row, step in zip(self.weights, steps):
            for place, value in enumerate(step):
                row[place] += rate * value / len(samples)
