"""The linear probe: multinomial logistic regression on standardised dimensions, with an L2 penalty of 1 (C of 1).

scikit-learn fits what is small. Of much, torch fits the same in float32, on the GPU where there is one; it is imported
then only, which takes seconds.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

MUCH = 1e8  # points x dimensions x classes
PART = 8192  # points whose scores are held at a time
STEPS = 5  # of L-BFGS at a time, at most ROUNDS times; done when they lower the mean loss by less than ENOUGH,
ROUNDS, ENOUGH = 40, 3e-3
FLAT = 1e-4  # or, after any step, where scikit-learn is done: no slope of the mean loss is steeper


def guesses(points: np.ndarray, labels: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The labels (m,) that a probe, fitted on points (n, D) with `labels` (n,), gives to others (m, D)."""
    scaler = StandardScaler().fit(points)
    points, others = scaler.transform(points), scaler.transform(others)
    classes, own = np.unique(labels, return_inverse=True)
    if points.size * len(classes) < MUCH:
        return LogisticRegression(max_iter=1000).fit(points, labels).predict(others)
    weights, biases = fitted(points, own, len(classes))
    best = [(others[start : start + PART] @ weights + biases).argmax(axis=1) for start in range(0, len(others), PART)]
    return classes[np.concatenate(best)]


def fitted(points: np.ndarray, own: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (D, classes) and biases (classes,) that minimise the sum of cross-entropies + |weights|^2 / 2, by L-BFGS.

    It goes in coordinates in which the loss is as steep in all directions while all classes are as likely, and so takes
    a tenth of the steps: the principal axes of the points, each over the root of its curvature. Its first step is
    Newton's.

    Parameters
    ----------
    points : (n, D) standardised
    own : (n,) class of each, from 0 on
    """
    import torch
    from torch.nn.functional import cross_entropy

    device = "cuda" if torch.cuda.is_available() else "cpu"
    count, dim = points.shape
    x, y = torch.from_numpy(points.astype(np.float32, copy=False)).to(device), torch.from_numpy(own).to(device)
    curvature, axes = torch.linalg.eigh((x.T @ x).double())
    curvature = (curvature.clamp(min=0) / classes + 1) / count
    scaled, rise = (axes / curvature.sqrt()).float(), classes**0.5  # (D, D)
    inner = torch.zeros(dim + 1, classes, device=device, requires_grad=True)

    def outer() -> tuple[torch.Tensor, torch.Tensor]:
        return scaled @ inner.detach()[:-1], rise * inner.detach()[-1]

    def loss() -> float:
        """The mean over points, and its gradient left in `inner`; torch asks again where it begins."""
        if torch.equal(inner, asked):
            return values[-1]
        asked.copy_(inner.detach())
        weights, biases = (part.requires_grad_() for part in outer())
        total = (weights**2).sum() / 2
        total.backward()
        value = total.item()
        for start in range(0, count, PART):
            part = cross_entropy(x[start : start + PART] @ weights + biases, y[start : start + PART], reduction="sum")
            part.backward()
            value += part.item()
        inner.grad = torch.cat([scaled.T @ weights.grad, rise * biases.grad[None]]) / count
        steepest.append(max(part.grad.abs().max().item() for part in (weights, biases)) / count)
        values.append(value / count)
        return values[-1]

    values, steepest, asked = [], [], torch.full_like(inner, torch.nan, requires_grad=False)
    before = loss()
    settings = {"max_eval": 4 * STEPS, "tolerance_grad": 0, "tolerance_change": 0, "line_search_fn": "strong_wolfe"}
    search = torch.optim.LBFGS([inner], lr=max(1, inner.grad.abs().sum().item()), max_iter=1, **settings)
    for number in range(1 + ROUNDS * STEPS):
        search.step(loss)
        search.param_groups[0]["lr"] = 1
        loss()  # where the step led to
        if steepest[-1] <= FLAT:
            break
        if number % STEPS == 0:
            if before - min(values) < ENOUGH:
                break
            before = min(values)
    return tuple(part.cpu().numpy() for part in outer())
