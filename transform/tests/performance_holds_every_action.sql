-- Per day, campaign and state, and in all, the model's figures are those of the actions themselves.
{%- set columns = {'PENDING': '_pending', 'APPROVED': '_approved', 'REVERSED': '_reversed', 'all': ''} %}

with expected as (
    select
        day,
        campaign_id,
        currency,
        state,
        count(*) as conversions,
        sum(coalesce(payout, 0)) as commission
    from {{ ref('impact_payouts') }}
    where state in ('PENDING', 'APPROVED', 'REVERSED')
    group by day, campaign_id, currency, state

    union all

    select
        day,
        campaign_id,
        currency,
        'all',
        count(*),
        sum(coalesce(payout, 0))
    from {{ ref('impact_payouts') }}
    group by day, campaign_id, currency
),

modelled as (
    {%- for state, suffix in columns.items() %}
    select
        day,
        campaign_id,
        currency,
        '{{ state }}' as state,
        sum(conversions{{ suffix }}) as conversions,
        sum(commission{{ suffix }}) as commission
    from {{ ref('impact_daily_performance') }}
    group by day, campaign_id, currency
    having sum(conversions{{ suffix }}) > 0
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

(select * from expected except select * from modelled)
union all
(select * from modelled except select * from expected)
