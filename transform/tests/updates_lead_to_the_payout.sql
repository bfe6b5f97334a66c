-- The changes of an action whose tracking was loaded add up to its payout.
{{ config(severity='warn') }}

select
    action_id,
    payout,
    payout_by_updates
from {{ ref('impact_payouts') }}
where
    first_update_at <= created_at
    and payout <> payout_by_updates
