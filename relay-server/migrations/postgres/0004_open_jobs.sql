-- A site's jobs whose tiles or result are kept are counted whenever it sends one, and those that have ended are many more.
DROP INDEX purification_by_site;
CREATE INDEX purification_open_by_site ON purification (site) WHERE state IN ('queued', 'done');
