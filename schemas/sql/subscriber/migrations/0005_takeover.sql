-- What is judged when partitions, or events, of another member are taken over.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Takes partitions over. low and high: where the partition begins and ends in Kafka; NULL: not known now. start: where to begin if nothing is stored;
-- what cannot be placed yet is not returned. known: the position that was stored before Kafka was asked, -1 where there was none: another member may have
-- worked on since the answer, and be behind that end without the topic being another. NULL: of a worker that does not tell.
DROP FUNCTION postbus_inbox.place(int[], int[], bigint[], bigint[], bigint[], text);
CREATE FUNCTION postbus_inbox.place(p_source int[], p_partition int[], p_low bigint[], p_high bigint[], p_start bigint[], p_owner text,
                                    p_known bigint[] DEFAULT NULL)
RETURNS TABLE (source int, partition int, next_offset bigint, epoch bigint, incarnation int, gap_from bigint, gap_reason text, doubt_to bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted record;
    found_at postbus_inbox.position;
BEGIN
    FOR wanted IN SELECT * FROM unnest(p_source, p_partition, p_low, p_high, p_start, p_known) AS u (source, partition, low, high, start, known)
                   ORDER BY u.source, u.partition LOOP
        INSERT INTO postbus_inbox.position AS p (source, partition, next_offset, epoch, owner)
        SELECT wanted.source, wanted.partition, wanted.start, 0, p_owner WHERE wanted.start IS NOT NULL
        ON CONFLICT DO NOTHING;
        -- Who did not give it up has died, or is taken for dead: what it was handling lies before the end of the partition.
        UPDATE postbus_inbox.position p
           SET epoch = p.epoch + 1, owner = p_owner, held = true, moved_at = clock_timestamp(),
               doubt_to = least(CASE WHEN p.held AND p.owner <> p_owner THEN 9223372036854775807 ELSE p.doubt_to END, wanted.high)
         WHERE p.source = wanted.source AND p.partition = wanted.partition RETURNING * INTO found_at;
        CONTINUE WHEN NOT FOUND;
        source := wanted.source;
        partition := wanted.partition;
        next_offset := found_at.next_offset;
        epoch := found_at.epoch;
        incarnation := found_at.incarnation;
        doubt_to := found_at.doubt_to;
        gap_from := NULL;
        gap_reason := CASE WHEN found_at.next_offset < wanted.low THEN 'deleted'
                           WHEN least(found_at.next_offset, wanted.known) > wanted.high THEN 'made_anew' END;
        IF gap_reason IS NOT NULL THEN
            gap_from := found_at.next_offset;
            next_offset := wanted.low;
            incarnation := incarnation + (gap_reason = 'made_anew')::int;
            INSERT INTO postbus_inbox.gap (source, partition, from_offset, to_offset, reason)
            VALUES (wanted.source, wanted.partition, gap_from, wanted.low, gap_reason);
            UPDATE postbus_inbox.position p SET next_offset = wanted.low, incarnation = place.incarnation,
                                                doubt_to = CASE gap_reason WHEN 'made_anew' THEN 0 ELSE p.doubt_to END
             WHERE p.source = wanted.source AND p.partition = wanted.partition;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION postbus_inbox.place(int[], int[], bigint[], bigint[], bigint[], text, bigint[]) IS
'For the worker: takes partitions over and says where reading goes on.';
REVOKE ALL ON FUNCTION postbus_inbox.place(int[], int[], bigint[], bigint[], bigint[], text, bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION postbus_inbox.place(int[], int[], bigint[], bigint[], bigint[], text, bigint[]) TO postbus_subscriber;

-- Which server a note was made on. Compared by its start, and not with the time of the note: a clock that was set back would make each note older than the
-- start for as long as it was set back.
DELETE FROM postbus_inbox.in_hand WHERE since <= pg_postmaster_start_time();
ALTER TABLE postbus_inbox.in_hand ADD COLUMN server_since timestamptz NOT NULL DEFAULT pg_postmaster_start_time();
COMMENT ON COLUMN postbus_inbox.in_hand.server_since IS 'Since when the PostgreSQL server had been running on which it was noted: the end of that server has ended the attempt.';

-- Notes, for the moment after the commit, that an attempt begins. Returns how many attempts at the event have killed their processes since the last one
-- ended otherwise; where there are any nothing is noted: they are to be written down first. Of a member that has sessions, nothing is
-- known yet; nor is it of one whose note was made on a server that has ended, and all sessions with it: such notes are removed. The commit is not waited
-- for: what dies is the worker, and PostgreSQL with its unwritten log lives on.
CREATE OR REPLACE FUNCTION postbus_inbox.begin_attempt(p_source int, p_identity uuid, p_member text) RETURNS int
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    n_dead int;
BEGIN
    SELECT count(*) INTO n_dead FROM postbus_inbox.in_hand h
     WHERE h.source = p_source AND h.identity = p_identity AND h.member <> p_member AND h.server_since = pg_catalog.pg_postmaster_start_time()
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.application_name LIKE 'postbus ' || h.member || ' %');
    IF n_dead = 0 THEN
        PERFORM set_config('synchronous_commit', 'off', true);
        DELETE FROM postbus_inbox.in_hand h
         WHERE h.source = p_source AND h.identity = p_identity AND h.server_since <> pg_catalog.pg_postmaster_start_time();
        INSERT INTO postbus_inbox.in_hand (source, identity, member) VALUES (p_source, p_identity, p_member) ON CONFLICT DO NOTHING;
    END IF;
    RETURN n_dead;
END $$;
