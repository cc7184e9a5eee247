BEGIN TRANSACTION;
CREATE TABLE attempts (
	incident_id VARCHAR(36) NOT NULL,
	number INTEGER NOT NULL,
	remedy VARCHAR NOT NULL,
	outcome VARCHAR NOT NULL,
	started_at DATETIME NOT NULL,
	ended_at DATETIME,
	flow_run_id VARCHAR,
	note VARCHAR NOT NULL,
	PRIMARY KEY (incident_id, number),
	FOREIGN KEY(incident_id) REFERENCES incidents (id)
);
INSERT INTO "attempts" VALUES('5b1f2c9e-0000-4000-8000-000000000001',1,'quarantine_batch','running','2026-01-02 03:04:05.000000',NULL,NULL,'');
CREATE TABLE batches (
	pipeline VARCHAR NOT NULL,
	batch_id VARCHAR NOT NULL,
	"table" VARCHAR NOT NULL,
	day DATE NOT NULL,
	source VARCHAR NOT NULL,
	received INTEGER NOT NULL,
	accepted INTEGER NOT NULL,
	quarantined INTEGER NOT NULL,
	duplicates INTEGER NOT NULL,
	status VARCHAR NOT NULL,
	lake_version INTEGER,
	repairs JSON NOT NULL,
	recorded_at DATETIME NOT NULL,
	PRIMARY KEY (pipeline, batch_id)
);
INSERT INTO "batches" VALUES('flights','flights/2013-03-20','flights','2013-03-20','primary',10,8,2,0,'accepted',3,'[]','2026-01-02 03:04:05.000000');
CREATE TABLE checks (
	id INTEGER NOT NULL,
	pipeline VARCHAR NOT NULL,
	"check" VARCHAR NOT NULL,
	cause VARCHAR NOT NULL,
	outcome VARCHAR NOT NULL,
	reason VARCHAR NOT NULL,
	observations INTEGER NOT NULL,
	statistic FLOAT,
	threshold FLOAT,
	window_from DATETIME NOT NULL,
	window_until DATETIME NOT NULL,
	recorded_at DATETIME NOT NULL,
	PRIMARY KEY (id)
);
INSERT INTO "checks" VALUES(1,'flights','drift','drift','pass','',10,NULL,NULL,'2026-01-02 03:04:05.000000','2026-01-02 03:04:05.000000','2026-01-02 03:04:05.000000');
CREATE TABLE evidence (
	id INTEGER NOT NULL,
	incident_id VARCHAR(36) NOT NULL,
	observer VARCHAR NOT NULL,
	observed_at DATETIME NOT NULL,
	summary VARCHAR NOT NULL,
	facts JSON NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(incident_id) REFERENCES incidents (id)
);
INSERT INTO "evidence" VALUES(1,'5b1f2c9e-0000-4000-8000-000000000001','ingest','2026-01-02 03:04:05.000000','40% missing','{"share": 0.4}');
CREATE TABLE incidents (
	id VARCHAR(36) NOT NULL,
	pipeline VARCHAR NOT NULL,
	cause VARCHAR NOT NULL,
	subject VARCHAR NOT NULL,
	status VARCHAR NOT NULL,
	summary VARCHAR NOT NULL,
	note VARCHAR NOT NULL,
	detected_at DATETIME NOT NULL,
	mitigated_at DATETIME,
	ended_at DATETIME,
	PRIMARY KEY (id)
);
INSERT INTO "incidents" VALUES('5b1f2c9e-0000-4000-8000-000000000001','flights','null_spike','flights/2013-03-20','healing','missing values','','2026-01-02 03:04:05.000000',NULL,NULL);
CREATE TABLE journal (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	at_utc DATETIME NOT NULL,
	at_monotonic_ns BIGINT NOT NULL,
	pipeline VARCHAR NOT NULL,
	kind VARCHAR NOT NULL,
	subject VARCHAR NOT NULL,
	detail JSON NOT NULL
);
INSERT INTO "journal" VALUES(1,'2026-01-02 03:04:05.000000',1,'flights','incident.opened','flights/2013-03-20','{}');
CREATE UNIQUE INDEX one_unfinished_incident ON incidents (pipeline, cause, subject) WHERE ended_at IS NULL;
CREATE INDEX latest_check ON checks (pipeline, "check", id);
CREATE INDEX ix_evidence_incident_id ON evidence (incident_id);
CREATE UNIQUE INDEX one_running_attempt ON attempts (incident_id) WHERE outcome = 'running';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('journal',1);
COMMIT;
