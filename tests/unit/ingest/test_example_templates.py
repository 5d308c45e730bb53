"""Templates that must not start: each with its reason, and the name of the template to blame."""

import pytest

from ingest.template_set import template_set
from ingest.template_text import TemplateError
from tests.examples import examples, settings_of

BAD = examples("bad", "templates")


@pytest.mark.parametrize("name", BAD)
def test_refused_at_start(name: str) -> None:
    example = BAD[name]
    with pytest.raises(TemplateError) as caught:
        template_set(settings_of(example))
    assert example["reason"] in caught.value.reason
    assert f"template `{example['templates'][-1]['name']}`" in str(caught.value)
