{%- set as_of = var('impact_as_of', run_started_at.strftime('%Y-%m-%d %H:%M:%S')) -%}

with actions as (
    {{ loaded('actions', {
        'id': 'varchar(255)',
        'connection_label': 'varchar(255)',
        'campaign_id': 'varchar(255)',
        'campaign_name': 'varchar(255)',
        'order_id': 'varchar(255)',
        'event_day': 'date',
        'event_date': 'timestamp',
        'creation_date': 'timestamp',
        'locking_date': 'timestamp',
        'cleared_date': 'timestamp',
        'state': 'varchar(255)',
        'payout': 'numeric',
        'intended_payout': 'numeric',
        'amount': 'numeric',
        'currency': 'varchar(255)',
    }) }}
),

updates as (
    {{ loaded('action_updates', {
        'action_id': 'varchar(255)',
        'update_date': 'timestamp',
        'state': 'varchar(255)',
        'delta_payout': 'numeric',
    }) }}
),

-- one change of an action with several items has a row for each of them
changes as (
    select
        action_id,
        update_date,
        max(case when state = 'REVERSED' then 1 else 0 end) as is_reversal,
        sum(coalesce(delta_payout, 0)) as delta_payout
    from updates
    group by action_id, update_date
),

histories as (
    select
        action_id,
        min(update_date) as first_update_at,
        max(update_date) as last_update_at,
        max(case when is_reversal = 1 then update_date end) as last_reversed_at,
        count(*) as changes,
        sum(delta_payout) as payout_by_updates
    from changes
    group by action_id
)

select
    actions.id as action_id,
    actions.connection_label,
    actions.campaign_id,
    actions.campaign_name,
    actions.order_id,
    actions.event_day as day,
    actions.event_date as happened_at,
    actions.creation_date as created_at,
    actions.locking_date as locks_at,
    actions.cleared_date as cleared_at,
    actions.state,
    case
        when actions.state = 'REVERSED' then 'reversed'
        when actions.state = 'APPROVED' and actions.cleared_date is not null then 'cleared'
        when actions.state = 'APPROVED' then 'locked'
        when actions.state = 'PENDING' then 'pending'
    end as payout_status,
    -- an approval stays; a reversal may be taken back until the action locks
    coalesce(
        actions.state = 'APPROVED'
        or actions.state = 'REVERSED' and actions.locking_date <= cast('{{ as_of }}' as timestamp),
        false
    ) as is_final,
    actions.payout,
    actions.intended_payout,
    actions.amount,
    actions.currency,
    histories.first_update_at,
    histories.last_update_at,
    coalesce(histories.changes, 0) as changes,
    histories.last_reversed_at,
    actions.state <> 'REVERSED' and histories.last_reversed_at is not null as was_restored,
    histories.payout_by_updates
from actions
left join histories on actions.id = histories.action_id
