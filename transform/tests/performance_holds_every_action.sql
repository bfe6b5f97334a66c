-- Per day, campaign and state, and in all, the model's figures are those of the actions themselves.
{%- set columns = {
    'pending': '_pending', 'locked or cleared': '_approved', 'reversed': '_reversed', 'conversions': '',
} %}

with counted as (
    select
        day,
        coalesce(campaign_id, '') as campaign_id,
        currency,
        case
            when payout_status in ('locked', 'cleared') then 'locked or cleared'
            else payout_status
        end as status,
        coalesce(payout, 0) as payout
    from {{ ref('impact_payouts') }}
),

expected as (
    select
        day,
        campaign_id,
        currency,
        status,
        count(*) as conversions,
        sum(payout) as commission
    from counted
    where status is not null
    group by day, campaign_id, currency, status

    union all

    select
        day,
        campaign_id,
        currency,
        'conversions',
        count(*),
        sum(payout)
    from counted
    where coalesce(status, '') <> 'reversed'
    group by day, campaign_id, currency
),

modelled as (
    {%- for status, suffix in columns.items() %}
    select
        day,
        campaign_id,
        currency,
        '{{ status }}' as status,
        sum(conversions{{ suffix }}) as conversions,
        sum(commission{{ suffix }}) as commission
    from {{ ref('impact_daily_performance') }}
    group by day, campaign_id, currency
    having sum(conversions{{ suffix }}) > 0
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

(select * from expected except {{ 'distinct' if target.type == 'bigquery' }} select * from modelled)
union all
(select * from modelled except {{ 'distinct' if target.type == 'bigquery' }} select * from expected)
