with payouts as (
    select
        action_id,
        connection_label
    from {{ ref('impact_payouts') }}
),

updates as (
    {{ loaded('action_updates', {
        'id': 'varchar(255)',
        'action_id': 'varchar(255)',
        'update_date': 'timestamp',
        'state': 'varchar(255)',
        'reporting_state': 'varchar(255)',
        'sku': 'varchar(255)',
        'delta_payout': 'numeric',
        'delta_amount': 'numeric',
        'currency': 'varchar(255)',
    }) }}
)

-- updates of actions that happened before the first loaded day are left out
select
    updates.id as update_id,
    updates.action_id,
    payouts.connection_label,
    updates.update_date as updated_at,
    updates.state,
    updates.reporting_state,
    updates.sku,
    updates.delta_payout,
    updates.delta_amount,
    updates.currency,
    sum(coalesce(updates.delta_payout, 0)) over (
        partition by updates.action_id
        order by updates.update_date, updates.id
        rows between unbounded preceding and current row
    ) as payout_after,
    sum(coalesce(updates.delta_amount, 0)) over (
        partition by updates.action_id
        order by updates.update_date, updates.id
        rows between unbounded preceding and current row
    ) as amount_after
from updates
inner join payouts on updates.action_id = payouts.action_id
