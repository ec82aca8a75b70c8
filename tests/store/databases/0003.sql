BEGIN TRANSACTION;
CREATE TABLE nas_alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT nas_alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "nas_alembic_version" VALUES('0003');
CREATE TABLE nas_architectures (
	"key" VARCHAR(64) NOT NULL, 
	document JSON NOT NULL, 
	CONSTRAINT pk_nas_architectures PRIMARY KEY ("key")
);
INSERT INTO "nas_architectures" VALUES('0000000000000000','{"stages":[{"block":"bottleneck","kernel":3,"content":0}]}');
INSERT INTO "nas_architectures" VALUES('0000000000000001','{"stages":[{"block":"bottleneck","kernel":3,"content":1}]}');
INSERT INTO "nas_architectures" VALUES('0000000000000002','{"stages":[{"block":"bottleneck","kernel":3,"content":2}]}');
INSERT INTO "nas_architectures" VALUES('0000000000000003','{"stages":[{"block":"bottleneck","kernel":3,"content":3}]}');
CREATE TABLE nas_claims (
	study_id INTEGER NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	pid INTEGER NOT NULL, 
	started VARCHAR(64) NOT NULL, 
	seen_at DATETIME NOT NULL, 
	CONSTRAINT pk_nas_claims PRIMARY KEY (study_id), 
	CONSTRAINT fk_nas_claims_study_id_nas_studies FOREIGN KEY(study_id) REFERENCES nas_studies (id)
);
CREATE TABLE nas_curves (
	study_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	"values" JSON NOT NULL, 
	CONSTRAINT pk_nas_curves PRIMARY KEY (study_id, step), 
	CONSTRAINT fk_nas_curves_study_id_nas_studies FOREIGN KEY(study_id) REFERENCES nas_studies (id)
)
 WITHOUT ROWID

;
INSERT INTO "nas_curves" VALUES(1,2,'{"entropy":0.5}');
CREATE TABLE nas_epochs (
	trial_id INTEGER NOT NULL, 
	epoch INTEGER NOT NULL, 
	metrics JSON NOT NULL, 
	val_accuracy FLOAT, 
	seconds FLOAT, 
	CONSTRAINT pk_nas_epochs PRIMARY KEY (trial_id, epoch), 
	CONSTRAINT fk_nas_epochs_trial_id_nas_trials FOREIGN KEY(trial_id) REFERENCES nas_trials (id)
)
 WITHOUT ROWID

;
INSERT INTO "nas_epochs" VALUES(1,1,'{"epoch":1,"train_loss":1.0,"val_accuracy":0.1,"seconds":0.5}',0.1,0.5);
INSERT INTO "nas_epochs" VALUES(1,2,'{"epoch":2,"train_loss":0.5,"val_accuracy":0.2,"seconds":0.5}',0.2,0.5);
INSERT INTO "nas_epochs" VALUES(1,3,'{"epoch":3,"train_loss":0.3333333333333333,"val_accuracy":0.3,"seconds":0.5}',0.3,0.5);
INSERT INTO "nas_epochs" VALUES(4,1,'{"epoch":1,"train_loss":1.0,"val_accuracy":0.1,"seconds":0.5}',0.1,0.5);
INSERT INTO "nas_epochs" VALUES(5,1,'{"epoch":1,"train_loss":1.0,"val_accuracy":0.1,"seconds":0.5}',0.1,0.5);
INSERT INTO "nas_epochs" VALUES(5,2,'{"epoch":2,"train_loss":0.5,"val_accuracy":0.2,"seconds":0.5}',0.2,0.5);
INSERT INTO "nas_epochs" VALUES(5,3,'{"epoch":3,"train_loss":0.3333333333333333,"val_accuracy":0.3,"seconds":0.5}',0.3,0.5);
CREATE TABLE nas_latencies (
	id INTEGER NOT NULL, 
	machine VARCHAR(255) NOT NULL, 
	device VARCHAR(64) NOT NULL, 
	threads INTEGER NOT NULL, 
	batch INTEGER NOT NULL, 
	precision VARCHAR(16) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	"key" VARCHAR(64) NOT NULL, 
	median FLOAT NOT NULL, 
	low FLOAT NOT NULL, 
	high FLOAT NOT NULL, 
	runs INTEGER NOT NULL, 
	measured_at DATETIME NOT NULL, 
	CONSTRAINT pk_nas_latencies PRIMARY KEY (id), 
	CONSTRAINT uq_nas_latencies_what UNIQUE (machine, device, threads, batch, precision, kind, "key")
);
INSERT INTO "nas_latencies" VALUES(1,'a machine','cpu',1,1,'float32','network','0000000000000000',0.002,0.001,0.003,9,'2026-11-21 17:18:06.621239');
CREATE TABLE nas_recipes (
	"key" VARCHAR(64) NOT NULL, 
	document JSON NOT NULL, 
	CONSTRAINT pk_nas_recipes PRIMARY KEY ("key")
);
INSERT INTO "nas_recipes" VALUES('00000000000000aa','{"epochs":3,"lr":0.1}');
CREATE TABLE nas_studies (
	id INTEGER NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	created_at DATETIME NOT NULL, 
	finished_at DATETIME, 
	spec JSON NOT NULL, 
	spent JSON, 
	CONSTRAINT pk_nas_studies PRIMARY KEY (id), 
	CONSTRAINT uq_nas_studies_name UNIQUE (name)
);
INSERT INTO "nas_studies" VALUES(1,'frozen','2026-11-21 17:18:06.517069',NULL,'{"space":"resnext","seed":3}','{"seconds":1.5}');
CREATE TABLE nas_trials (
	id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	name VARCHAR(255), 
	state VARCHAR(16) NOT NULL, 
	reason TEXT, 
	architecture_key VARCHAR(64) NOT NULL, 
	graph_key VARCHAR(64), 
	point JSON, 
	evaluator_key VARCHAR(255) NOT NULL, 
	recipe_key VARCHAR(64) NOT NULL, 
	seed BIGINT NOT NULL, 
	params BIGINT, 
	flops BIGINT, 
	activations BIGINT, 
	memory BIGINT, 
	metrics JSON, 
	val_accuracy FLOAT, 
	epochs INTEGER NOT NULL, 
	asked INTEGER, 
	told INTEGER, 
	reused_from INTEGER, 
	worker TEXT, 
	created_at DATETIME NOT NULL, 
	started_at DATETIME, 
	finished_at DATETIME, 
	failures INTEGER DEFAULT 0 NOT NULL, 
	traceback TEXT, 
	CONSTRAINT pk_nas_trials PRIMARY KEY (id), 
	CONSTRAINT uq_nas_trials_study_id_number UNIQUE (study_id, number), 
	CONSTRAINT uq_nas_trials_study_id_asked UNIQUE (study_id, asked), 
	CONSTRAINT uq_nas_trials_study_id_told UNIQUE (study_id, told), 
	CONSTRAINT fk_nas_trials_study_id_nas_studies FOREIGN KEY(study_id) REFERENCES nas_studies (id), 
	CONSTRAINT fk_nas_trials_architecture_key_nas_architectures FOREIGN KEY(architecture_key) REFERENCES nas_architectures ("key"), 
	CONSTRAINT fk_nas_trials_recipe_key_nas_recipes FOREIGN KEY(recipe_key) REFERENCES nas_recipes ("key"), 
	CONSTRAINT fk_nas_trials_reused_from_nas_trials FOREIGN KEY(reused_from) REFERENCES nas_trials (id)
);
INSERT INTO "nas_trials" VALUES(1,1,0,'child',NULL,'complete',NULL,'0000000000000000','0000000000000001','{"kernel":1,"depth":0}','digits:1a2b','00000000000000aa',0,1000,5000000000,2000,8000,'{"epoch":3,"train_loss":0.3333333333333333,"val_accuracy":0.3,"seconds":0.5}',0.3,3,0,NULL,NULL,'worker-0','2026-11-21 17:18:06.558246','2026-11-21 17:18:06.572756','2026-11-21 17:18:06.574651',0,NULL);
INSERT INTO "nas_trials" VALUES(2,1,1,'child',NULL,'complete',NULL,'0000000000000000','0000000000000001','{"kernel":1,"depth":0}','digits:1a2b','00000000000000aa',0,1000,5000000000,2000,8000,'{"epoch":3,"train_loss":0.3333333333333333,"val_accuracy":0.3,"seconds":0.5}',0.3,3,1,2,1,NULL,'2026-11-21 17:18:06.575107',NULL,'2026-11-21 17:18:06.575107',0,NULL);
INSERT INTO "nas_trials" VALUES(3,1,2,'child',NULL,'infeasible','flops','0000000000000001','0000000000000002','{"kernel":1,"depth":1}','digits:1a2b','00000000000000aa',0,1001,5000000001,2001,8001,NULL,NULL,0,3,4,NULL,NULL,'2026-11-21 17:18:06.591709',NULL,'2026-11-21 17:18:06.591709',0,NULL);
INSERT INTO "nas_trials" VALUES(4,1,3,'child',NULL,'running','the worker died','0000000000000002','0000000000000003','{"kernel":1,"depth":2}','digits:1a2b','00000000000000aa',0,1002,5000000002,2002,8002,'{"epoch":1,"train_loss":1.0,"val_accuracy":0.1,"seconds":0.5}',0.1,1,5,NULL,NULL,'worker-0','2026-11-21 17:18:06.605965','2026-11-21 17:18:06.607310',NULL,1,'Traceback (most recent call last):
  MemoryError');
INSERT INTO "nas_trials" VALUES(5,1,4,'baseline','resnet18','complete',NULL,'0000000000000003','0000000000000004','{"kernel":1,"depth":3}','digits:1a2b','00000000000000aa',0,1003,5000000003,2003,8003,'{"epoch":3,"train_loss":0.3333333333333333,"val_accuracy":0.3,"seconds":0.5}',0.3,3,NULL,NULL,NULL,'worker-0','2026-11-21 17:18:06.607593','2026-11-21 17:18:06.607796','2026-11-21 17:18:06.608245',0,NULL);
CREATE INDEX ix_nas_trials_best ON nas_trials (study_id, state, kind, val_accuracy);
CREATE INDEX ix_nas_trials_known ON nas_trials (graph_key, evaluator_key, recipe_key, seed, state, id);
CREATE INDEX ix_nas_trials_tally ON nas_trials (study_id, state, number, kind, val_accuracy, reused_from);
COMMIT;
