with payouts as (
    select
        action_id,
        connection_label
    from {{ ref('impact_payouts') }}
),

updates as (
    {{ loaded('action_updates', {
        'id': 'text',
        'action_id': 'text',
        'update_date': 'instant',
        'state': 'text',
        'reporting_state': 'text',
        'sku': 'text',
        'delta_payout': 'money',
        'delta_amount': 'money',
        'currency': 'text',
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
    {%- for figure in ['payout', 'amount'] %}
    cast(
        sum(coalesce(updates.delta_{{ figure }}, 0)) over (
            partition by updates.action_id
            order by updates.update_date, updates.id
            rows between unbounded preceding and current row
        ) as {{ type_of('money') }}
    ) as {{ figure }}_after{{ ',' if not loop.last }}
    {%- endfor %}
from updates
inner join payouts on updates.action_id = payouts.action_id
