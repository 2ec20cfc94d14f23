"""What a rollout's plan says of parity."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from answer_parity.traffic import MARGIN


class ParityPlan(BaseModel):
    """Pairs of answers, and what follows from them.

    Attributes:
        percent: of the stable stack's requests that are sent to both stacks once more, as copies.
            Nobody waits for their answers.
        own_percent: of these pairs that are made by the stable stack alone, for its noise.
        max_pairs: of a rollout. Their cost is at most twice that many requests.
        margin: how much more often, as a share of all requests, the candidate may do something
            unwanted; see `answer_parity.traffic`.
        required: whether the last step ends only once the answers are shown to be equivalent.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    percent: Annotated[float, Field(gt=0, le=100)] = 10
    own_percent: Annotated[float, Field(ge=0, le=50)] = 20
    max_pairs: Annotated[int, Field(ge=50, le=10_000)] = 2000
    margin: Annotated[float, Field(gt=0, lt=0.5)] = MARGIN
    required: bool = True
