"""Names of tables and columns of the lake that more than one domain reads or writes."""

FEATURES = "features"  # table: exactly one row per row of the batch table

BATCH_DAY = "event_day"  # every table has it: the calendar day of the batch that a row came with
ASKED_AT = "asked_at"  # the instant at which the prediction is requested; features use nothing newer

LABEL = "label"  # 0.0 or 1.0, the position among several classes, or a quantity; NaN while the label is unknown
KNOWN_AT = "label_known_at"  # when the label became known

PREDICTION = "prediction"  # the champion's prediction
LOGGED = "logged"  # whether the gateway logged this prediction, or it was computed afterwards
