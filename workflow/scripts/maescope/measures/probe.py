"""The linear probe: multinomial logistic regression on standardised dimensions, with an L2 penalty of 1 (C of 1).

scikit-learn fits what is small. Of much, torch fits the same in float32, on the GPU where there is one; it is imported
then only, which takes seconds.
"""

import numpy as np
from scipy.optimize import minimize
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
    values, length = [], 1.0

    def outer(inner: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        steps = torch.from_numpy(inner.reshape(dim + 1, classes)).float().to(device) / length
        return scaled @ steps[:-1], rise * steps[-1]

    def loss(inner: np.ndarray) -> tuple[float, np.ndarray]:
        """The mean over points, and its gradient."""
        weights, biases = (part.requires_grad_() for part in outer(inner))
        total = (weights**2).sum() / 2
        total.backward()
        value = total.item()
        for start in range(0, count, PART):
            part = cross_entropy(x[start : start + PART] @ weights + biases, y[start : start + PART], reduction="sum")
            part.backward()
            value += part.item()
        steepest = max(part.grad.abs().max().item() for part in (weights, biases))
        values.append((value / count, steepest / count))
        slope = torch.cat([scaled.T @ weights.grad, rise * biases.grad[None]]) / count
        return value / count, slope.double().cpu().numpy().ravel() / length

    def done(_: np.ndarray) -> None:
        """Called after each step, whose end is what was asked for last."""
        value, steepest = values[-1]
        reached.append(value)
        step = len(reached) - 1
        if steepest <= FLAT or (step % STEPS == 1 and reached[max(0, step - STEPS)] - value < ENOUGH):
            raise StopIteration

    begin = np.zeros((dim + 1) * classes)
    value, slope = loss(begin)
    reached, length = [value], 1 / max(np.linalg.norm(slope), 1e-12)  # the first step is of length 1, and so Newton's
    settings = {"maxiter": 1 + ROUNDS * STEPS, "ftol": 0, "gtol": 0}
    found = minimize(loss, begin, jac=True, method="L-BFGS-B", callback=done, options=settings)
    return tuple(part.cpu().numpy() for part in outer(found.x))
