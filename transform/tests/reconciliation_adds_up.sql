-- Per month, campaign and currency, what was earned is what was invoiced and what was not, and so on.
select
    connection_label,
    event_month,
    campaign_id,
    currency
from {{ ref('impact_reconciliation') }}
where campaign_id is not null
group by connection_label, event_month, campaign_id, currency
having
    sum(case side when 'earned' then amount when 'not invoiced' then -amount when 'invoiced' then -amount else 0 end) <> 0
    or sum(case side when 'invoiced' then amount when 'not withdrawn' then -amount when 'withdrawn' then -amount else 0 end) <> 0
