"""Answering with a model: windows over long texts, span and tag decoding; free of torch."""

from alambique.runtime.loading import load as load
from alambique.runtime.model import Model as Model
from alambique.runtime.model import Query as Query
