-- A row's states add up to its totals, as long as impact.com has no further states.
{{ config(severity='warn') }}

select *
from {{ ref('impact_daily_performance') }}
where
    conversions <> conversions_pending + conversions_approved
    or commission <> commission_pending + commission_approved
