-- Money that nothing explains.
{{ config(severity='warn') }}

select *
from {{ ref('impact_reconciliation') }}
where item = 'untraced'
