with actions as (
    {{ loaded('actions', {
        'id': 'text',
        'connection_label': 'text',
        'campaign_id': 'text',
        'campaign_name': 'text',
        'order_id': ['text', 'order_id', 'oid'],
        'event_day': 'day',
        'event_date': 'instant',
        'creation_date': 'instant',
        'locking_date': 'instant',
        'cleared_date': 'instant',
        'state': 'text',
        'payout': 'money',
        'intended_payout': 'money',
        'amount': 'money',
        'currency': 'text',
        'ad_id': 'text',
        'shared_id': 'text',
        'sub_id1': 'text',
        'sub_id2': 'text',
        'sub_id3': 'text',
        'referring_domain': 'text',
        'additional_fields': 'json',
    }) }}
),

updates as (
    {{ loaded('action_updates', {
        'action_id': 'text',
        'update_date': 'instant',
        'state': 'text',
        'delta_payout': 'money',
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
        or actions.state = 'REVERSED' and actions.locking_date <= {{ now() }},
        false
    ) as is_final,
    actions.payout,
    actions.intended_payout,
    actions.amount,
    actions.currency,
    actions.ad_id,
    actions.shared_id,
    actions.sub_id1,
    actions.sub_id2,
    actions.sub_id3,
    actions.referring_domain,
    histories.first_update_at,
    histories.last_update_at,
    cast(coalesce(histories.changes, 0) as bigint) as changes,
    histories.last_reversed_at,
    actions.state <> 'REVERSED' and histories.last_reversed_at is not null as was_restored,
    cast(histories.payout_by_updates as {{ type_of('money') }}) as payout_by_updates,
    actions.additional_fields
from actions
left join histories on actions.id = histories.action_id
