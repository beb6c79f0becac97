"""Training: what is minimised, by what steps, over which batches."""

from mixkit.training import distillation as distillation
from mixkit.training import loss as loss
from mixkit.training import metrics as metrics
from mixkit.training import optimizer as optimizer
from mixkit.training import schedule as schedule
