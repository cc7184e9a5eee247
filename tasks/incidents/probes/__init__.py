"""One file per probe. Each lists its instances in PROBES; `tasks.incidents.probing` finds them there."""
