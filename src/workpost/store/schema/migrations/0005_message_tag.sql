-- The keyed tag of the Message-ID moves from item_tag, where it cost a row in two B-trees for each
-- delivery, into the item, where it costs an entry in one. item_tag holds keywords.

ALTER TABLE item ADD COLUMN message_tag BLOB;
UPDATE item SET message_tag = (
    SELECT t.tag FROM item_tag t WHERE t.mailbox = item.mailbox AND t.item = item.id AND t.kind = 2
);
DELETE FROM item_tag WHERE kind = 2;
CREATE INDEX item_message_tag ON item (mailbox, message_tag) WHERE message_tag IS NOT NULL;
