"""A small dense model and an LSTM in NumPy, forward and backward, in float64: what values are compared with."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def dense(weights, x, y, by_sample, l2):
    """Outputs and gradients of Dense(tanh) and Dense(1), with a mean squared error, and an L2 penalty on the first.

    Args:
        weights: kernel (features, units), bias, kernel (units, 1), bias.
        x: (batch, features).
        y: (batch, 1).
        by_sample: (batch,).
        l2: factor of the penalty.
    """
    first, shift, second, offset = (one.astype(np.float64) for one in weights)
    hidden = np.tanh(x @ first + shift)
    said = hidden @ second + offset
    by_said = 2 * (said - y) * by_sample[:, None] / len(x)
    by_hidden = by_said @ second.T
    by_sum = by_hidden * (1 - hidden**2)
    return {
        "hidden": hidden,
        "said": said,
        "by_hidden": by_hidden,
        "by_said": by_said,
        "by_weights": [x.T @ by_sum + 2 * l2 * first, by_sum.sum(0), hidden.T @ by_said, by_said.sum(0)],
    }


def lstm(kernel, recurrent, bias, x, by_last):
    """States of an LSTM and gradients of a loss by its weights and by its states along time.

    Args:
        kernel: (features, 4 * units), gates in Keras' order: input, forget, cell, output.
        recurrent: (units, 4 * units).
        bias: (4 * units,).
        x: (batch, time, features).
        by_last: (batch, units): the gradient by the last hidden state.
    """
    units = recurrent.shape[0]
    kernel, recurrent, bias = (one.astype(np.float64) for one in (kernel, recurrent, bias))
    h = c = np.zeros((len(x), units))
    kept, states = [], []
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        before = h, c
        c = f * c + i * g
        h = o * np.tanh(c)
        kept.append((before, i, f, g, o, c))
        states.append(h)
    by_kernel, by_recurrent, by_bias = np.zeros_like(kernel), np.zeros_like(recurrent), np.zeros_like(bias)
    by_h, by_c = by_last.astype(np.float64), np.zeros((len(x), units))
    by_states = []
    for t in reversed(range(x.shape[1])):
        (h, c_before), i, f, g, o, c = kept[t]
        by_states.append(by_h)
        by_c = by_c + by_h * o * (1 - np.tanh(c) ** 2)
        by_gates = np.concatenate(
            [
                by_c * g * i * (1 - i),
                by_c * c_before * f * (1 - f),
                by_c * i * (1 - g**2),
                by_h * np.tanh(c) * o * (1 - o),
            ],
            axis=1,
        )
        by_kernel += x[:, t].T @ by_gates
        by_recurrent += h.T @ by_gates
        by_bias += by_gates.sum(0)
        by_h, by_c = by_gates @ recurrent.T, by_c * f
    return np.stack(states, 1), np.stack(by_states[::-1], 1), (by_kernel, by_recurrent, by_bias)
