"""Queue of accepted letters: deliveries and their states.

The instant of responsibility is the commit inside `Queue.accept` (RFC 5321 §6.1): before it nothing is owed, after it
each Delivery is in exactly one of these states until its letter's history is pruned. A letter for a mailbox here is
delivered by that very commit: it is in the mailbox when its sender gets 250, and waits only if that failed.

    state      due  claimed  owed  what it means                              leaves by
    ---------  ---  -------  ----  -----------------------------------------  ---------------------------------------
    queued     set  no       yes   waits for `due`                            claim, hold, remove
    queued     set  yes      yes   an attempt is under way; `due` is already  settle (any outcome); lease end (crash)
                                   the one after it, so that a crash delays
                                   and never hammers
    held       set  no       yes   an operator or a hold rule stopped it;       release, remove; success or failure of
                                   a claim stays until its attempt ends       the attempt that was under way
    delivered  -    no       no    is in a mailbox here                       collect
    relayed    -    no       no    another host replied 250                   -
    bounced    -    no       no    refused or too old; the sender got a       -
                                   report (unless the reverse-path was null)
    collected  -    no       no    fetched from the mailbox                   -
    removed    -    no       no    removed by an operator                     success or failure of an attempt that
                                                                              was under way

Files, in the order of a letter's path: `queue` accepts it, `recipient_routes` expands aliases and routes recipients, and `enqueue` builds its
deliveries. `due` claims them, `attempts` runs attempts in the order of `backlog`. `settlement` turns outcomes into
states, `outcome_writer` stores them, and `bounce` writes the reports. `settings` has the times and limits, `admin` the
actions of operators, and `hold_rules` their hold and pause rules.
"""
