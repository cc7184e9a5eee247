import numpy as np

from tasks.training.dataset import read_dataset
from tasks.training.fit import fit_model
from tasks.training.plan import plan_training
from tests.toy import day_of, toy_labels, toy_pipeline, write_days


def test_the_same_plan_gives_the_same_model(tmp_path):
    write_days(tmp_path, 0, 30)
    plan = plan_training(toy_pipeline(), toy_labels(tmp_path), day_of(29))
    datasets = [read_dataset(plan, toy_labels(tmp_path)) for _ in range(2)]
    models = [fit_model(plan, dataset, toy_pipeline().estimator) for dataset in datasets]
    inputs = datasets[0].held_out_inputs
    np.testing.assert_array_equal(*[model.estimator.predict_proba(inputs) for model in models])
