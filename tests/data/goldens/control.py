# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Every kind of control flow
#
# A notebook for the goldens beside it: what it compiles to, what it is exported as, and its graph.

# %% tags=["parameters"]
threshold: float = 0.8
seeds: list[int] = [1, 2, 3]
channel: str = "#models"

# %% tags=["imports"]
import random

# %%
# %%component prepare --memory 1G --retries 2
data = [random.Random(0).random() for _ in range(20)]
segments = sorted({round(x, 1) for x in data})
model = {"kind": "baseline"}

# %%
# %%component fit --for seed in seeds --parallelism 2 --collect models=candidate --collect scores=score
candidate = {"kind": "fitted", "seed": seed}
score: float = random.Random(seed).random()

# %%
# %%component grid --for rate in [0.1, 0.2] --collect trials=trial --for config in [{"size": 1}, {"size": None}]
trial = (rate, config.size)

# %%
# %%component segment --for part in segments --parallelism 2 --collect counts=count
count: int = sum(round(x, 1) == part for x in data)

# %%
# %%component choose
best: float = max(scores)
winner = models[scores.index(best)]
enough = len(trials) == 4 and sum(counts) == len(data)

# %%
# %%component promote --if best >= threshold
model = winner
where: str = "production"

# %%
# %%component stage --elif enough and winner["seed"] in seeds
where: str = "staging"

# %%
# %%component hold --else
where: str = "nowhere"

# %%
# %%component report
print(model, where)

# %%
# %%component tell --on-exit
print(channel, status.state)

# %% tags=["outputs"]
best
where
model
counts
