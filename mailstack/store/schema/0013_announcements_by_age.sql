-- What is too old is dropped every minute, and must not be looked for among a million that are not.
CREATE INDEX announcements_by_age ON announcements (target, at);
