from datetime import UTC, datetime

from gateway.rows.ranges import TrainingRanges
from releases.manifest import Column, Golden, InputSchema, Manifest, NumericProfile, ReferenceProfile

MILES = NumericProfile(median=500, mean=600, quantiles=(80, 100, 300, 500, 900, 2000, 2586), null_share=0)
MANIFEST = Manifest(
    pipeline="flights",
    version="1.0.0",
    created_at=datetime(2013, 3, 1, tzinfo=UTC),
    files={},
    trained_from="2013-01-01",
    trained_until="2013-03-01",
    code_revision="test",
    requirements_sha256="0" * 64,
    input_schema=InputSchema(columns=(Column(name="carrier", type="string"), Column(name="miles", type="double"))),
    reference=ReferenceProfile(rows=100, numeric={"miles": MILES}),
    golden=Golden(columns=("carrier", "miles"), rows=(("AA", 100.0),), outputs=(0.1,)),
    baseline=0.2,
    training_seconds=1,
)


def test_columns_beyond_their_training_data_are_named():
    ranges = TrainingRanges(MANIFEST)
    assert ranges.outside([("AA", 80.0), ("AA", 2586), ("AA", None)]) == ()
    assert ranges.outside([("AA", 500.0), ("AA", 1e6)]) == ("miles",)
    assert ranges.outside([("AA", 79.9)]) == ("miles",)


def test_a_manifest_without_profiles_names_nothing():
    bare = MANIFEST.model_copy(update={"reference": ReferenceProfile(rows=0)})
    assert TrainingRanges(bare).outside([("AA", 1e9)]) == ()
