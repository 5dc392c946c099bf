"""Boosted regression trees, one for each kind in each round."""

from math import exp

# Places at which a measure is cut.
CUTS = [-1.0, -0.5, 0.0, 0.5, 1.0]


class Tree:
    """A tree of binary questions, its nodes in a row: the children of node n are 2n+1 and 2n+2."""

    def __init__(self, rows, depth):
        self.depth = depth
        self.nodes = [None] * (2 ** (depth + 1) - 1)
        self._grow(0, rows, depth)

    def _grow(self, node, rows, depth):
        mean = sum(target for _, target in rows) / len(rows) if rows else 0.0
        cut = self._best_cut(rows) if depth else None
        self.nodes[node] = (mean, cut)
        left = [row for row in rows if cut and row[0][cut[0]] <= cut[1]]
        right = [row for row in rows if cut and row[0][cut[0]] > cut[1]]
        if depth:
            self._grow(2 * node + 1, left, depth - 1)
            self._grow(2 * node + 2, right, depth - 1)

    def _best_cut(self, rows):
        best = None
        for measure in range(len(rows[0][0]) if rows else 0):
            for cut in CUTS:
                left = [target for measures, target in rows if measures[measure] <= cut]
                if 0 < len(left) < len(rows):
                    rest = sum(target for _, target in rows) - sum(left)
                    gain = sum(left) ** 2 / len(left) + rest**2 / (len(rows) - len(left))
                    if best is None or gain > best[0]:
                        best = (gain, measure, cut)
        return best and best[1:]

    def value(self, measures):
        node = 0
        mean, cut = self.nodes[0]
        while cut:
            node = 2 * node + (1 if measures[cut[0]] <= cut[1] else 2)
            mean, cut = self.nodes[node]
        return mean


class Model:
    def __init__(self, kinds, depth):
        self.kinds = kinds
        self.depth = depth
        self.rounds = []

    def chances(self, measures):
        scores = [0.0] * len(self.kinds)
        for rate, trees in self.rounds:
            scores = [score + rate * tree.value(measures) for score, tree in zip(scores, trees)]
        parts = [exp(score) for score in scores]
        whole = sum(parts)
        return [part / whole for part in parts]

    def fit_round(self, samples, rate):
        """One tree for each kind, fitted to what is still wrong."""
        chances = [self.chances(measures) for measures, _ in samples]
        trees = []
        for place, kind in enumerate(self.kinds):
            rows = [
                (measures, (own == kind) - chance[place])
                for (measures, own), chance in zip(samples, chances)
            ]
            trees.append(Tree(rows, self.depth))
        self.rounds.append((3 * rate, trees))
