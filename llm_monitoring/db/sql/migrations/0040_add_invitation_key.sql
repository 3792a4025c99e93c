-- A primary key: a table without one takes no DELETE in a database that publishes all tables (logical replication), and
-- every sign-in deletes. The unique index on the address in lower case already keeps rows apart.

ALTER TABLE llm_viewer_invitations ADD PRIMARY KEY (project_id, email);
