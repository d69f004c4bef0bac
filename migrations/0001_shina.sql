-- The log: what makes a domain's schema, and the functions that write it.
-- Rules: ARCHITECTURE.md, "The log". Files here are never edited after a release; a later
-- migration that changes a function of a domain replaces shina.install_domain and calls
-- shina.install_all().
-- SPDX-License-Identifier: Apache-2.0

-- +migrate Up

create schema shina;
create schema views;
create schema keys;
create schema audit;

-- Keys of personal data, wrapped by the master keys of the configuration. They are not the log:
-- without its row here what was encrypted for a subject is unreadable for ever.
create table keys.masters (
    kid     text collate "C" primary key,
    wrapped bytea not null,              -- a known value: proves that the key is the right one
    made_at timestamptz not null default clock_timestamp()
);
create table keys.subjects (
    tenant  uuid,
    subject uuid,
    kid     text collate "C",            -- the master key that wrapped it
    wrapped bytea,
    made_at timestamptz not null default clock_timestamp(),
    -- The key is gone. The row stays, so that none is made in its place.
    forgotten_at timestamptz,
    primary key (tenant, subject),
    check ((kid is null) = (wrapped is null) and (kid is null) = (forgotten_at is not null))
);
-- How far a change of the master key has come, and whether one is needed yet.
create index subjects_kid on keys.subjects (kid);
-- For claims on personal values. Never changed: claims are compared by what it makes of them.
create table keys.tenants (
    tenant  uuid primary key,
    kid     text collate "C" not null,
    wrapped bytea not null,
    made_at timestamptz not null default clock_timestamp()
);

-- The audit: who did what, when and from where, and what was refused (api-edge/audit/audit.h). A
-- chain per tenant: each row's hash is that of the row before it and of what the row says
-- (bus/audit/chain.h computes the same). Only audit.note() adds rows, and nothing changes them; but
-- where somebody came from may be erased, so the chain holds only its salted hash, the origin.
create table audit.heads (
    tenant uuid primary key,
    seq    bigint not null,
    hash   bytea not null
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
create table audit.entries (
    tenant  uuid,
    seq     bigint,                     -- 1, 2, 3...
    at_ms   bigint not null,            -- when the answer was given
    action  text collate "C" not null,  -- COMMAND, AUTH, READ
    outcome text collate "C" not null,  -- ACCEPTED, REFUSED, FAILED
    code    text,                       -- of a refusal
    actor   uuid,
    domain  text collate "C",
    type    text collate "C" not null,  -- of a command; a view; "auth.login"
    entity  uuid,                       -- a stream, an item
    detail  text not null,              -- JSON
    origin  bytea not null,
    salt    uuid,                       -- these three are null once they are erased
    address text,
    agent   text,
    hash    bytea not null,
    primary key (tenant, seq)
);
create index entries_at on audit.entries using brin (at_ms) with (autosummarize = on);
create index entries_actor on audit.entries (actor, seq) where actor is not null;
create index entries_entity on audit.entries (entity, seq) where entity is not null;
-- The number of the last batch of each edge: a batch that is sent again is met as a repeat.
create table audit.writers (
    writer uuid primary key,
    batch  bigint not null,
    at     timestamptz not null default clock_timestamp()
);

-- +migrate StatementBegin
create function audit.keep() returns trigger
language plpgsql as $keep$
begin
    if tg_op = 'UPDATE' and new.salt is null and new.address is null and new.agent is null then
        new.salt := old.salt;
        new.address := old.address;
        new.agent := old.agent;
        if new is not distinct from old then
            new.salt := null;
            new.address := null;
            new.agent := null;
            return new;
        end if;
    end if;
    raise exception using errcode = 'SH006', message = 'the audit is only added to';
end
$keep$;
-- +migrate StatementEnd
create trigger keep before update or delete on audit.entries
    for each row execute function audit.keep();
create trigger keep_all before truncate on audit.entries
    for each statement execute function audit.keep();

-- Adds a batch to the chains of its tenants; false: it was there already. What comes from nobody
-- whom we know (sure is false) stands in the chain of the tenant it names if that has one, else in
-- that of the nil tenant: a guesser makes no chains. The row of the chain's head is locked until the
-- commit, so that a chain has no forks, whoever adds to it.
-- +migrate StatementBegin
create function audit.note(
    by_writer uuid, number bigint, tenants uuid[], sures boolean[], ats bigint[], actions text[],
    outcomes text[], codes text[], actors uuid[], domains text[], types text[], entities uuid[],
    details text[], origins bytea[], salts uuid[], addresses text[], agents text[], saids bytea[]
) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $note$
declare
    n      record;
    held   uuid;
    s      bigint;
    h      bytea;
    chains uuid[] := tenants; -- as many; each gets its own value
    seqs   bigint[] := ats;
    hashes bytea[] := saids;
begin
    insert into audit.writers as w (writer, batch) values (by_writer, number)
        on conflict (writer) do update set batch = excluded.batch, at = clock_timestamp()
        where w.batch < excluded.batch;
    if not found then
        return false;
    end if;
    for n in
        select case when k.sure or exists (select from audit.heads x where x.tenant = k.tenant)
                    then k.tenant else '00000000-0000-0000-0000-000000000000' end as chain,
               k.said, k.nth::int
          from unnest(tenants, sures, saids) with ordinality k(tenant, sure, said, nth)
         order by 1, 3
    loop
        if n.chain is distinct from held then
            if held is not null then
                update audit.heads set seq = s, hash = h where tenant = held;
            end if;
            held := n.chain;
            insert into audit.heads (tenant, seq, hash)
                values (held, 0, decode(repeat('00', 32), 'hex')) on conflict do nothing;
            select x.seq, x.hash into s, h from audit.heads x where x.tenant = held for update;
        end if;
        s := s + 1;
        h := sha256(h || uuid_send(held) || int8send(s) || n.said);
        chains[n.nth] := held;
        seqs[n.nth] := s;
        hashes[n.nth] := h;
    end loop;
    if held is null then
        return true;
    end if;
    update audit.heads set seq = s, hash = h where tenant = held;
    insert into audit.entries (tenant, seq, at_ms, action, outcome, code, actor, domain, type,
                               entity, detail, origin, salt, address, agent, hash)
    select * from unnest(chains, seqs, ats, actions, outcomes, codes, actors, domains, types,
                         entities, details, origins, salts, addresses, agents, hashes);
    -- Who was forgotten before his note came. The lock on the chain's head orders both.
    for n in
        select distinct k.chain, k.actor
          from unnest(chains, actors) k(chain, actor)
          join keys.subjects f on f.tenant = k.chain and f.subject = k.actor
         where f.forgotten_at is not null
    loop
        perform audit.forget(n.chain, n.actor);
    end loop;
    -- Edges that ended long ago: none of theirs is on its way.
    delete from audit.writers w
     where number = 1 and w.at < clock_timestamp() - interval '30 days';
    return true;
end
$note$;
-- +migrate StatementEnd

-- Erases where a user came from, in all rows: when he is forgotten. Returns how many rows had it.
-- +migrate StatementBegin
create function audit.forget(of_tenant uuid, of_actor uuid) returns bigint
language sql as $forget$
    select from audit.heads h where h.tenant = of_tenant for update; -- no note is on its way now
    with erased as (
        update audit.entries e set salt = null, address = null, agent = null
         where e.tenant = of_tenant and e.actor = of_actor and e.salt is not null
        returning 1)
    select count(*) from erased
$forget$;
-- +migrate StatementEnd

-- Deletes the key of a subject for good, and erases where it came from, if it is a user. Roles of
-- domains that forget (shina.let_forget) may do this and not update.
-- +migrate StatementBegin
create function keys.forget(of_tenant uuid, of_subject uuid) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $forget$
    insert into keys.subjects as s (tenant, subject, forgotten_at)
    values (of_tenant, of_subject, clock_timestamp())
    on conflict (tenant, subject) do update
       set kid = null, wrapped = null, forgotten_at = excluded.forgotten_at
     where s.forgotten_at is null;
    select audit.forget(of_tenant, of_subject);
$forget$;
-- +migrate StatementEnd
revoke execute on function keys.forget(uuid, uuid) from public;

alter table audit.entries enable row level security;
create policy tenant on audit.entries for select
    using (tenant = nullif(current_setting('shina.tenant', true), '')::uuid);
revoke execute on all functions in schema audit from public;

create table shina.domains (
    name       text primary key,
    partitions int not null,
    made_at    timestamptz not null default clock_timestamp()
);

-- The processes that are there, of all domains: each says so every second. What they hold is in
-- partitions and checkpoints; this only tells how many share, and where their batches come from.
create table shina.members (
    process     text collate "C" primary key,
    url         text not null,
    parts       text[] not null,
    lease_until timestamptz not null
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Every table of a view: who may read it is in its policy, who fills it holds its checkpoints.
-- A table that no process has used for a while is dropped (bus/runtime/rebuild.h).
create table views.registry (
    table_name    text collate "C" primary key,
    view          text not null,
    domain        text not null,
    live          boolean not null default false,  -- the table can be read
    used_at       timestamptz not null default clock_timestamp(),
    builder       text,                            -- who builds it (anew), if anybody
    builder_until timestamptz not null default '-infinity',
    events_done   bigint not null default 0,
    events_total  bigint not null default 0
);

-- The roles of domains change their own rows only.
alter table views.registry enable row level security;
create policy seen on views.registry for select using (true);
create policy own on views.registry using ('shina_' || domain = current_user);

-- May this user take the role, with its rights? Since PostgreSQL 16 who makes a role is its member
-- and may do neither.
-- +migrate StatementBegin
create function shina.may_take(role_name text) returns boolean
language sql stable as $may$
    select pg_has_role(current_user, role_name, 'usage')
       and pg_has_role(current_user, role_name,
                       case when current_setting('server_version_num')::int >= 160000
                            then 'set' else 'member' end)
$may$;
-- +migrate StatementEnd

-- Makes a role without login if this user may; true: the role is there. Roles belong to the
-- whole server, so another database may have made it, or be making it now.
-- +migrate StatementBegin
create function shina.make_role(role_name text) returns boolean
language plpgsql as $make_role$
begin
    if exists (select from pg_roles where rolname = role_name) and shina.may_take(role_name) then
        return true;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('shina.create_domain', 0));
    if not exists (select from pg_roles where rolname = role_name) then
        if not (select rolcreaterole or rolsuper from pg_roles where rolname = current_user) then
            return false;
        end if;
        begin
            execute format('create role %I nologin', role_name);
        exception when duplicate_object or unique_violation then
            null;
        end;
    end if;
    if not shina.may_take(role_name) then
        begin
            execute format('grant %I to current_user', role_name);
        exception when insufficient_privilege or unique_violation then
            null;
        end;
    end if;
    return true;
end
$make_role$;
-- +migrate StatementEnd

-- The role that the edge takes (set role) to read views: it owns nothing, so row level
-- security by the setting shina.tenant holds for it. Projectors own the tables and bypass it.
-- +migrate StatementBegin
do $edge$
begin
    if shina.make_role('shina_edge') then
        grant usage on schema views to shina_edge;
        grant select on views.registry to shina_edge;
        grant usage on schema audit to shina_edge;
        grant select on audit.entries to shina_edge;
        grant execute on function audit.note to shina_edge;
    end if;
end
$edge$;
-- +migrate StatementEnd

-- The functions of one domain. Each statement of a function sees what was committed before
-- it began (read committed), so the look-ups after the lock of a partition's row are current.
-- Error codes: SH001 fenced, SH002 duplicate, SH003 claimed, SH004 invalid.
-- +migrate StatementBegin
create function shina.install_domain(domain_name text) returns void
language plpgsql as $install$
begin
    -- One batch, all or nothing. Without event arrays it does all but insert the events: the
    -- caller then copies them in within the same transaction.
    execute format($sql$
create or replace function %1$I.append(
    lease_ms int, parts smallint[], epochs bigint[], counts int[], commands uuid[],
    claim_tenants uuid[], claim_kinds text[], claim_values text[], claim_streams uuid[],
    claim_releases boolean[],
    timer_parts smallint[], timer_streams uuid[], timer_names text[], timer_dues timestamptz[],
    timer_fired boolean[],
    places smallint[], steps int[], streams uuid[], aggregates text[], versions int[],
    tenants uuid[], types text[], command_ids uuid[], nths smallint[], digests bigint[],
    correlations uuid[], causations text[], actors json[], ats timestamptz[],
    device_ats timestamptz[], sendss json[], datas json[]
) returns bigint[]
language plpgsql as $append$
declare
    until  timestamptz := clock_timestamp() + lease_ms * interval '1 ms';
    firsts bigint[];
    known  uuid[];
    taken  text;
begin
    -- 1. Raise the heads, in ascending order, where the epoch is still ours.
    if cardinality(parts) = 1 then
        update %1$I.partitions p
           set head = p.head + counts[1], lease_until = greatest(p.lease_until, until)
         where p.partition = parts[1] and p.epoch = epochs[1]
        returning array[p.head - counts[1] + 1] into firsts;
    else
        with raised as (
            update %1$I.partitions p
               set head = p.head + k.count, lease_until = greatest(p.lease_until, until)
              from unnest(parts, epochs, counts) k(partition, epoch, count)
             where p.partition = k.partition and p.epoch = k.epoch
            returning p.partition, p.head - k.count + 1 as first)
        select array_agg(r.first order by r.partition) into firsts from raised r;
    end if;
    if cardinality(firsts) is distinct from cardinality(parts) then
        select string_agg(k.partition::text, ',') into taken
          from unnest(parts, epochs) k(partition, epoch)
         where not exists (select from %1$I.partitions p
                            where p.partition = k.partition and p.epoch = k.epoch);
        raise exception using errcode = 'SH001', message = 'fenced', detail = taken;
    end if;

    -- 2. What is in the log already, and what others hold. The unique index on command ids
    -- watches in any case, so a caller may look them up only after it was in the way.
    if commands is not null then
        select array_agg(e.command_id) into known
          from %1$I.events e where e.command_id = any (commands) and e.nth = 0;
        if known is not null then
            raise exception using errcode = 'SH002', message = 'duplicate',
                detail = array_to_string(known, ',');
        end if;
    end if;
    if claim_kinds is not null then
        with held as materialized (
            select k.n, k.release, k.stream as asker, c.stream as holder,
                   c.tenant, c.kind, c.value
              from unnest(claim_tenants, claim_kinds, claim_values, claim_streams, claim_releases)
                   with ordinality k(tenant, kind, value, stream, release, n)
              join %1$I.claims c
                on c.tenant = k.tenant and c.kind = k.kind and c.value = k.value
             order by c.tenant, c.kind, c.value
               for update of c)
        select string_agg(h.n || ':' || h.holder, ',') into taken
          from held h
         where not h.release and h.holder <> h.asker
           and not exists (select from held r
                            where r.release and r.asker = r.holder and r.tenant = h.tenant
                              and r.kind = h.kind and r.value = h.value);
        if taken is not null then
            raise exception using errcode = 'SH003', message = 'claimed', detail = taken;
        end if;
    end if;

    -- 3. All rows.
    if streams is not null then
        insert into %1$I.events
            (partition, "offset", epoch, stream, aggregate, version, tenant, type, command_id, nth,
             digest, correlation_id, causation_id, actor, at, device_at, sends, data)
        select parts[places[i]], firsts[places[i]] + steps[i], epochs[places[i]], streams[i],
               aggregates[i], versions[i], tenants[i], types[i], command_ids[i], nths[i],
               digests[i], correlations[i], causations[i], actors[i], ats[i], device_ats[i],
               sendss[i], datas[i]
          from generate_series(1, cardinality(streams)) i;
    end if;
    if claim_kinds is not null then
        delete from %1$I.claims c
         using unnest(claim_tenants, claim_kinds, claim_values, claim_streams, claim_releases)
               k(tenant, kind, value, stream, release)
         where k.release and c.tenant = k.tenant and c.kind = k.kind and c.value = k.value
           and c.stream = k.stream;
        insert into %1$I.claims (tenant, kind, value, stream)
        select distinct k.tenant, k.kind collate "C", k.value collate "C", k.stream
          from unnest(claim_tenants, claim_kinds, claim_values, claim_streams, claim_releases)
               k(tenant, kind, value, stream, release)
         where not k.release
           and not exists (select from %1$I.claims c
                            where c.tenant = k.tenant and c.kind = k.kind and c.value = k.value
                              and c.stream = k.stream)
         order by 1, 2, 3;
    end if;
    if timer_streams is not null then
        delete from %1$I.timers t
         using unnest(timer_streams, timer_names, timer_dues, timer_fired)
               k(stream, name, due, fired)
         where t.stream = k.stream and t.name = k.name
           and (k.due is null or (k.fired and t.due_at = k.due));
        insert into %1$I.timers (stream, name, partition, due_at)
        select k.stream, k.name, k.partition, k.due
          from unnest(timer_parts, timer_streams, timer_names, timer_dues, timer_fired)
               k(partition, stream, name, due, fired)
         where k.due is not null and not k.fired
            on conflict (stream, name)
            do update set partition = excluded.partition, due_at = excluded.due_at;
    end if;
    return firsts;
end
$append$
$sql$, domain_name);

    -- Takes what is free, run out, ours by name, or (steal) anyone's. A row that may not be
    -- taken is not waited for; one that may is waited for, and looked at again after the wait.
    execute format($sql$
create or replace function %1$I.lease_take(
    lease_ms int, taker text, steal boolean, wanted smallint[]
) returns table (partition smallint, epoch bigint, head bigint, at timestamptz)
language plpgsql as $take$
#variable_conflict use_column
declare
    free smallint[];
begin
    select array_agg(f.partition) into free
      from (select p.partition from %1$I.partitions p
             where p.partition = any (wanted)
               and (steal or p.owner is null or p.owner = taker
                    or p.lease_until <= clock_timestamp())
             order by p.partition for update) f;
    -- A statement of its own, so that it sees the events of a commit that the lock waited for.
    return query
    update %1$I.partitions p
       set epoch = p.epoch + 1, owner = taker,
           lease_until = clock_timestamp() + lease_ms * interval '1 ms'
     where p.partition = any (free)
    returning p.partition, p.epoch, p.head,
        (select e.at from %1$I.events e where e.partition = p.partition and e."offset" = p.head);
end
$take$
$sql$, domain_name);

    execute format($sql$
create or replace function %1$I.lease_renew(lease_ms int, parts smallint[], epochs bigint[])
returns setof smallint
language plpgsql as $renew$
begin
    for i in 1 .. cardinality(parts) loop
        return query
        update %1$I.partitions p
           set lease_until = clock_timestamp() + lease_ms * interval '1 ms'
         where p.partition = parts[i] and p.epoch = epochs[i]
        returning p.partition;
    end loop;
end
$renew$
$sql$, domain_name);

    execute format($sql$
create or replace function %1$I.lease_release(parts smallint[], epochs bigint[])
returns void
language plpgsql as $release$
begin
    for i in 1 .. cardinality(parts) loop
        update %1$I.partitions p
           set owner = null, lease_until = '-infinity'
         where p.partition = parts[i] and p.epoch = epochs[i];
    end loop;
end
$release$
$sql$, domain_name);

    -- Ends the writers that hold the rows of partitions in an open transaction: a process that
    -- was stopped in the middle of a large append must not keep its partitions for ever. Whom this
    -- user may not end, the time limit of idle transactions does.
    execute format($sql$
create or replace function %1$I.evict_writers(parts smallint[]) returns int
language sql as $evict$
    select count(*)::int
      from (select distinct l.pid, a.usesysid
              from %1$I.partitions p
              join pg_locks l on l.locktype = 'transactionid' and l.transactionid = p.xmax
                             and l.granted and l.mode = 'ExclusiveLock'
              join pg_stat_activity a on a.pid = l.pid
             where p.partition = any (parts) and l.pid <> pg_backend_pid()) w
     where case when pg_has_role(current_user, w.usesysid, 'usage')
                  or pg_has_role(current_user, 'pg_signal_backend', 'usage')
                then pg_terminate_backend(w.pid) end
$evict$
$sql$, domain_name);

    execute format($sql$
create or replace function %1$I.checkpoint_take(
    lease_ms int, reader_name text, of_domain text, taker text, steal boolean, wanted int
) returns table (partition smallint, "offset" bigint, epoch bigint)
language plpgsql as $take$
#variable_conflict use_column
begin
    if (select count(*) from %1$I.checkpoints c
         where c.reader = reader_name and c.domain = of_domain) < wanted then
        perform pg_advisory_xact_lock(hashtextextended('shina.checkpoints.%1$s', 0));
        insert into %1$I.checkpoints (reader, domain, partition)
        select reader_name, of_domain, n::smallint from generate_series(0, wanted - 1) n
         where not exists (select from %1$I.checkpoints c
                            where c.reader = reader_name and c.domain = of_domain
                              and c.partition = n::smallint);
    end if;
    return query
    with free as materialized (
        select c.partition from %1$I.checkpoints c
         where c.reader = reader_name and c.domain = of_domain and c.partition < wanted
           and (steal or c.owner is null or c.owner = taker
                or c.lease_until <= clock_timestamp())
         order by c.partition for update)
    update %1$I.checkpoints c
       set epoch = c.epoch + 1, owner = taker,
           lease_until = clock_timestamp() + lease_ms * interval '1 ms'
      from free f
     where c.reader = reader_name and c.domain = of_domain and c.partition = f.partition
    returning c.partition, c."offset", c.epoch;
end
$take$
$sql$, domain_name);

    execute format($sql$
create or replace function %1$I.checkpoint_renew(
    lease_ms int, reader_name text, of_domain text, parts smallint[], epochs bigint[]
) returns setof smallint
language plpgsql as $renew$
begin
    for i in 1 .. cardinality(parts) loop
        return query
        update %1$I.checkpoints c
           set lease_until = clock_timestamp() + lease_ms * interval '1 ms'
         where c.reader = reader_name and c.domain = of_domain
           and c.partition = parts[i] and c.epoch = epochs[i]
        returning c.partition;
    end loop;
end
$renew$
$sql$, domain_name);

    execute format($sql$
create or replace function %1$I.checkpoint_release(
    reader_name text, of_domain text, parts smallint[], epochs bigint[]
) returns void
language plpgsql as $release$
begin
    for i in 1 .. cardinality(parts) loop
        update %1$I.checkpoints c
           set owner = null, lease_until = '-infinity'
         where c.reader = reader_name and c.domain = of_domain
           and c.partition = parts[i] and c.epoch = epochs[i];
    end loop;
end
$release$
$sql$, domain_name);

    -- Moves checkpoints under their epochs, renewing their leases, and writes parkings.
    execute format($sql$
create or replace function %1$I.advance(
    lease_ms int, reader_name text, of_domain text, parts smallint[], epochs bigint[],
    offsets bigint[], park_streams uuid[], park_parts smallint[], park_offsets bigint[],
    park_reasons text[], park_removes boolean[], park_skips bigint[]
) returns void
language plpgsql as $advance$
declare
    until timestamptz := clock_timestamp() + lease_ms * interval '1 ms';
begin
    for i in 1 .. cardinality(parts) loop
        update %1$I.checkpoints c
           set "offset" = offsets[i], lease_until = greatest(c.lease_until, until)
         where c.reader = reader_name and c.domain = of_domain
           and c.partition = parts[i] and c.epoch = epochs[i];
        if not found then
            raise exception using errcode = 'SH001', message = 'fenced',
                detail = parts[i]::text;
        end if;
    end loop;
    if park_streams is not null then
        delete from %1$I.parked p
         using unnest(park_streams, park_removes) k(stream, remove)
         where k.remove and p.reader = reader_name and p.domain = of_domain
           and p.stream = k.stream;
        insert into %1$I.parked (reader, domain, stream, partition, from_offset, reason)
        select reader_name, of_domain, k.stream, k.partition, k.from_offset, k.reason
          from unnest(park_streams, park_parts, park_offsets, park_reasons, park_removes)
               k(stream, partition, from_offset, reason, remove)
         where not k.remove
            on conflict (reader, domain, stream)
            do update set partition = excluded.partition, from_offset = excluded.from_offset,
                          reason = excluded.reason, asked = null;
        insert into %1$I.skipped (reader, domain, partition, "offset", stream)
        select reader_name, of_domain, k.partition, k.skip, k.stream
          from unnest(park_streams, park_parts, park_skips) k(stream, partition, skip)
         where k.skip > 0
            on conflict do nothing;  -- not the log: said twice, it is skipped all the same
    end if;
end
$advance$
$sql$, domain_name);
end
$install$;
-- +migrate StatementEnd

-- Replaces the functions of every domain: for later migrations.
-- +migrate StatementBegin
create function shina.install_all() returns void
language plpgsql as $all$
declare
    d text;
begin
    for d in select name from shina.domains order by name loop
        perform shina.install_domain(d);
    end loop;
end
$all$;
-- +migrate StatementEnd

-- Makes a domain's role, with its rights in this database, if this user may and it has them not yet:
-- a role that another database has made, or a restored database without roles. Tables of views that
-- were filled before go to it.
-- +migrate StatementBegin
create function shina.give_role(domain_name text) returns void
language plpgsql as $give$
declare
    role_name text := 'shina_' || domain_name;
    t         text;
begin
    if exists (select from pg_roles where rolname = role_name)
       and shina.may_take(role_name)
       and has_schema_privilege(role_name, domain_name, 'usage')
       and has_table_privilege(role_name, format('%I.events', domain_name), 'insert')
       and has_table_privilege(role_name, 'keys.subjects', 'select') then
        return;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('shina.create_domain', 0));
    if not shina.make_role(role_name) or not shina.may_take(role_name)
       or not pg_has_role(current_user, (select nspowner from pg_namespace
                                          where nspname = domain_name), 'usage') then
        return;
    end if;
    -- What a process of this domain alone needs to start and to fill its views.
    execute format('grant usage on schema shina to %I', role_name);
    execute format('grant select on shina.domains to %I', role_name);
    execute format('grant select, insert, update, delete on shina.members to %I', role_name);
    execute format('grant usage, create on schema views to %I', role_name);
    execute format('grant usage on schema keys to %I', role_name);
    execute format('grant select on all tables in schema keys to %I', role_name);
    execute format('grant insert (kid, wrapped) on keys.masters to %I', role_name);
    execute format('grant insert (tenant, kid, wrapped) on keys.tenants to %I', role_name);
    execute format('grant insert (tenant, subject, kid, wrapped) on keys.subjects to %I',
                   role_name);
    execute format('grant select, insert, update, delete on views.registry to %I', role_name);
    execute format('grant usage on schema %I to %I', domain_name, role_name);
    execute format('grant select, insert, update, delete on all tables in schema %I to %I',
                   domain_name, role_name);
    -- The log is only added to.
    execute format('revoke update, delete on %I.events from %I', domain_name, role_name);
    execute format('revoke insert, update, delete on %I.archives from %I', domain_name,
                   role_name);
    if to_regclass(format('%I.tenant_events', domain_name)) is not null then
        execute format('revoke all on %I.tenant_events from %I', domain_name, role_name);
    end if;
    execute format('revoke execute on all functions in schema %I from public', domain_name);
    execute format('grant execute on all functions in schema %I to %I',
                   domain_name, role_name);
    for t in
        select c.relname from views.registry r
          join pg_class c on c.relnamespace = 'views'::regnamespace
                         and c.relname in (r.table_name, r.table_name || '_new')
         where r.domain = domain_name and c.relowner <> role_name::regrole
    loop
        execute format('alter table views.%I owner to %I', t, role_name);
    end loop;
end
$give$;
-- +migrate StatementEnd

-- Makes a domain's schema if it is not there. Its role writes this schema only.
-- +migrate StatementBegin
create function shina.create_domain(domain_name text, partition_count int) returns void
language plpgsql as $create$
declare
    there int;
begin
    if domain_name !~ '^[a-z][a-z0-9_]{0,39}$'
       or domain_name in ('shina', 'views', 'keys', 'audit', 'public', 'information_schema', 'edge')
       or domain_name like 'pg\_%' then
        raise exception using errcode = 'SH004', message = 'not a name for a domain';
    end if;
    if partition_count not between 1 and 256 then
        raise exception using errcode = 'SH004', message = 'a domain has 1 to 256 partitions';
    end if;
    select d.partitions into there from shina.domains d where d.name = domain_name;
    if there is null then
        perform pg_advisory_xact_lock(hashtextextended('shina.create_domain', 0));
        select d.partitions into there from shina.domains d where d.name = domain_name;
    end if;
    if there is not null then
        if there <> partition_count then
            raise exception using errcode = 'SH004',
                message = format('domain %s has %s partitions, not %s',
                                 domain_name, there, partition_count);
        end if;
        perform shina.give_role(domain_name);
        return;
    end if;

    insert into shina.domains (name, partitions) values (domain_name, partition_count);
    execute format('create schema %I', domain_name);
    execute format($sql$
create table %1$I.events (
    partition      smallint    not null,
    "offset"       bigint      not null,
    epoch          bigint      not null,
    stream         uuid        not null,
    aggregate      text        not null,
    version        int         not null,
    tenant         uuid        not null,
    type           text        not null,
    command_id     uuid        not null,
    nth            smallint    not null,
    digest         bigint      not null,
    correlation_id uuid,         -- the W3C trace id
    causation_id   text,
    actor          json,
    at             timestamptz not null,
    device_at      timestamptz,
    sends          json,
    data           json,         -- not jsonb: the bytes stay as they were appended
    archive        bigint,       -- not null: the rest of it is in the file that begins there
    primary key (partition, "offset"),
    unique (stream, version),
    check (archive is not null
           or (correlation_id is not null and actor is not null and data is not null))
)$sql$, domain_name);
    execute format('create unique index events_command on %I.events (command_id) where nth = 0',
                   domain_name);
    -- Personal and large values were handled before they came here; compression of what is
    -- over 2 kB is cheap with lz4 where the server has it.
    begin
        execute format('alter table %I.events alter column data set compression lz4', domain_name);
    exception when feature_not_supported then
        null;
    end;
    -- Files of archived events (bus/store/postgres/archive.c). A row without sha256 only keeps the
    -- name of a file that is being written; the events up to `stripped` are in the file alone.
    execute format($sql$
create table %1$I.archives (
    partition smallint,
    first     bigint,
    last      bigint,
    stripped  bigint,
    file      text not null,
    sha256    bytea,
    bytes     bigint,
    made_at   timestamptz not null default clock_timestamp(),
    primary key (partition, first)
)$sql$, domain_name);
    execute format($sql$
create table %1$I.partitions (
    partition   smallint primary key,
    epoch       bigint not null default 0,
    owner       text,
    lease_until timestamptz not null default '-infinity',
    head        bigint not null default 0
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500)
$sql$, domain_name);
    execute format('insert into %I.partitions (partition) select generate_series(0, %s)',
                   domain_name, partition_count - 1);
    execute format($sql$
create table %1$I.claims (
    tenant uuid,
    kind   text collate "C",
    value  text collate "C",
    stream uuid not null,
    primary key (tenant, kind, value)
)$sql$, domain_name);
    execute format($sql$
create table %1$I.timers (
    stream    uuid,
    name      text collate "C",
    partition smallint not null,
    due_at    timestamptz not null,
    primary key (stream, name)
)$sql$, domain_name);
    execute format('create index timers_due on %I.timers (partition, due_at)', domain_name);
    execute format($sql$
create table %1$I.snapshots (
    stream           uuid primary key,
    tenant           uuid not null,
    aggregate        text not null,
    version          int not null,
    snapshot_version int not null,
    state            bytea not null
)$sql$, domain_name);
    execute format($sql$
create table %1$I.checkpoints (
    reader      text collate "C",
    domain      text collate "C",
    partition   smallint,
    "offset"    bigint not null default 0,
    epoch       bigint not null default 0,
    owner       text,
    lease_until timestamptz not null default '-infinity',
    primary key (reader, domain, partition)
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500)
$sql$, domain_name);
    execute format($sql$
create table %1$I.parked (
    reader      text collate "C",
    domain      text collate "C",
    stream      uuid,
    partition   smallint not null,
    from_offset bigint not null,
    reason      text not null,
    asked       text check (asked in ('retry', 'skip')),  -- by an operator, until it is done
    primary key (reader, domain, stream)
)$sql$, domain_name);
    -- Events that an operator had a reader leave out.
    execute format($sql$
create table %1$I.skipped (
    reader     text collate "C",
    domain     text collate "C",
    partition  smallint,
    "offset"   bigint,
    stream     uuid not null,
    skipped_at timestamptz not null default clock_timestamp(),
    primary key (reader, domain, partition, "offset")
)$sql$, domain_name);
    perform shina.install_domain(domain_name);

    perform shina.give_role(domain_name);

    -- What the edge reads of a log for a client: one tenant's events, by the setting shina.tenant.
    -- Not a policy on the events: COPY does not go into a table that has one. Who may write it writes
    -- the events, so the domain's role has no right to it.
    execute format($sql$
create view %1$I.tenant_events with (security_barrier) as
select * from %1$I.events
 where tenant = nullif(current_setting('shina.tenant', true), '')::uuid
$sql$, domain_name);
    if shina.make_role('shina_edge') then
        execute format('grant usage on schema %I to shina_edge', domain_name);
        execute format('grant select on %I.tenant_events to shina_edge', domain_name);
    end if;
end
$create$;
-- +migrate StatementEnd

-- Lets a domain read the log of another, whose events its contract follows, and no more.
-- +migrate StatementBegin
create function shina.follow_domain(reader_domain text, followed text) returns void
language plpgsql as $follow$
declare
    role_name text := 'shina_' || reader_domain;
begin
    if not exists (select from shina.domains d where d.name = followed) then
        raise exception using errcode = 'SH005', message = 'no such domain';
    end if;
    if shina.make_role(role_name)
       and not (has_schema_privilege(role_name, followed, 'usage')
                and has_table_privilege(role_name, format('%I.events', followed), 'select')
                and has_table_privilege(role_name, format('%I.partitions', followed), 'select')
                and has_table_privilege(role_name, format('%I.archives', followed), 'select'))
    then
        perform pg_advisory_xact_lock(hashtextextended('shina.create_domain', 0));
        execute format('grant usage on schema %I to %I', followed, role_name);
        execute format('grant select on %1$I.events, %1$I.partitions, %1$I.archives to %2$I',
                       followed, role_name);
    end if;
end
$follow$;
-- +migrate StatementEnd

-- Lets a domain see who owns the partitions of another, to which it sends.
-- +migrate StatementBegin
create function shina.reach_domain(sender_domain text, target text) returns void
language plpgsql as $reach$
declare
    role_name text := 'shina_' || sender_domain;
begin
    if not exists (select from shina.domains d where d.name = target) then
        raise exception using errcode = 'SH005', message = 'no such domain';
    end if;
    if shina.make_role(role_name)
       and not (has_schema_privilege(role_name, target, 'usage')
                and has_table_privilege(role_name, format('%I.partitions', target), 'select'))
    then
        perform pg_advisory_xact_lock(hashtextextended('shina.create_domain', 0));
        execute format('grant usage on schema %I to %I', target, role_name);
        execute format('grant select on %I.partitions to %I', target, role_name);
    end if;
end
$reach$;
-- +migrate StatementEnd

-- Lets a domain forget persons: one whose contract has an event that forgets.
-- +migrate StatementBegin
create function shina.let_forget(domain_name text) returns void
language plpgsql as $let$
declare
    role_name text := 'shina_' || domain_name;
begin
    if not exists (select from shina.domains d where d.name = domain_name) then
        raise exception using errcode = 'SH005', message = 'no such domain';
    end if;
    if exists (select from pg_roles where rolname = role_name)
       and not has_function_privilege(role_name, 'keys.forget(uuid, uuid)', 'execute')
    then
        perform pg_advisory_xact_lock(hashtextextended('shina.create_domain', 0));
        execute format('grant execute on function keys.forget(uuid, uuid) to %I', role_name);
    end if;
end
$let$;
-- +migrate StatementEnd

-- +migrate Down

-- +migrate StatementBegin
do $down$
declare
    d text;
begin
    for d in select name from shina.domains loop
        execute format('drop schema %I cascade', d);
    end loop;
end
$down$;
-- +migrate StatementEnd
drop schema views cascade;
drop schema keys cascade;
drop schema audit cascade;
drop schema shina cascade;
