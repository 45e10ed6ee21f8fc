"""Text of a journey step."""

from __future__ import annotations

import pytest

from mailstack.letter import LetterId
from mailstack.letter.delivery import Step
from mailstack.store.journey import facts_text


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"MT-PRIORITY": "0"}, "from 192.0.2.1"),
        ({"MT-PRIORITY": "3"}, "from 192.0.2.1, with MT-PRIORITY=3"),
        ({"MT-PRIORITY": "0", "BY": "600;R"}, "from 192.0.2.1, with MT-PRIORITY=0 BY=600;R"),
    ],
)
def test_the_normal_priority_is_not_shown(terms: dict[str, str], said: str) -> None:
    step = Step(LetterId("1m8d8nfn87ezdty"), 0.0, "mx.home.test", "exchanged", {"client": "192.0.2.1", "terms": terms})
    assert facts_text(step) == said
