{#-
  impact.com prices an action by the terms that are in force when it is tracked, and again by those
  in force when it is modified.
-#}
{%- set money = impact.type_of('money') -%}
{%- set decimals = range(7) -%}

with actions as (
    {{ loaded('actions', {
        'id': 'text',
        'connection_label': 'text',
        'campaign_id': 'text',
        'campaign_name': 'text',
        'action_tracker_id': 'text',
        'event_day': 'day',
        'state': 'text',
        'payout': 'money',
        'amount': 'money',
        'currency': 'text',
    }) }}
),

updates as (
    {{ loaded('action_updates', {
        'action_id': 'text',
        'connection_label': 'text',
        'update_date': 'instant',
        'contract_id': 'text',
        'event_type_id': 'text',
        'state': 'text',
        'delta_payout': 'money',
        'delta_amount': 'money',
    }) }}
),

terms as (
    {{ loaded('contract_payout_terms', {
        'contract_id': 'text',
        'connection_label': 'text',
        'date_last_updated': 'instant',
        'event_number': 'count',
        'group_number': 'count',
        'event_type_id': 'text',
        'payout_level': 'text',
        'payout_group_id': 'text',
        'rank': 'money',
        'payout_rate': 'money',
        'payout': 'money',
        'payout_restrictions': 'json',
    }) }}
),

-- one change of an action with several items has a row for each of them
changes as (
    select
        action_id,
        connection_label,
        update_date,
        max(contract_id) as contract_id,
        max(event_type_id) as event_type_id,
        max(case when state = 'REVERSED' then 1 else 0 end) as is_reversal,
        sum(coalesce(delta_payout, 0)) as delta_payout,
        sum(coalesce(delta_amount, 0)) as delta_amount
    from updates
    group by action_id, connection_label, update_date
),

priced as (
    select
        action_id,
        connection_label,
        update_date as priced_at,
        contract_id,
        event_type_id,
        count(*) over (partition by action_id, connection_label) - 1 as changes,
        max(case when delta_payout <> 0 and delta_amount = 0 then 1 else 0 end) over (
            partition by action_id, connection_label
        ) as was_payout_changed_alone,
        max(is_reversal) over (partition by action_id, connection_label) as was_reversed,
        row_number() over (
            partition by action_id, connection_label
            order by update_date desc
        ) as place
    from changes
    where delta_payout <> 0 or delta_amount <> 0
),

-- how exactly each campaign pays: in most actions, a payout has this many decimals
scales as (
    select
        connection_label,
        campaign_id,
        case
            {%- for number in decimals %}
            when round(payout, {{ number }}) = payout then {{ number }}
            {%- endfor %}
            else {{ decimals | length }}
        end as scale,
        count(*) as occurrences
    from actions
    where payout <> 0
    group by 1, 2, 3
),

exactness as (
    select
        connection_label,
        campaign_id,
        case scale
            {%- for number in decimals %}
            when {{ number }} then cast({{ '%.7f' | format(10 ** -number) }} as {{ money }})
            {%- endfor %}
            else cast(0.0000001 as {{ money }})
        end as unit
    from (
        select
            *,
            row_number() over (
                partition by connection_label, campaign_id
                order by occurrences desc, scale desc
            ) as place
        from scales
    ) as counted
    where place = 1
),

-- A version is in force until the next; the first one that was seen also stands for those before.
versions as (
    select
        connection_label,
        contract_id,
        date_last_updated,
        lag(date_last_updated) over (
            partition by connection_label, contract_id
            order by date_last_updated
        ) as version_before,
        lead(date_last_updated) over (
            partition by connection_label, contract_id
            order by date_last_updated
        ) as version_after
    from (select distinct connection_label, contract_id, date_last_updated from terms) as seen
),

prices as (
    select
        terms.*,
        versions.version_before,
        versions.version_after
    from terms
    inner join versions
        on terms.contract_id = versions.contract_id
        and terms.date_last_updated = versions.date_last_updated
        and coalesce(terms.connection_label, '') = coalesce(versions.connection_label, '')
),

candidates as (
    select
        actions.*,
        priced.contract_id,
        priced.priced_at,
        priced.was_payout_changed_alone,
        prices.date_last_updated as terms_since,
        (prices.version_before is null or priced.priced_at >= prices.date_last_updated)
        and (prices.version_after is null or priced.priced_at < prices.version_after) as is_in_force,
        prices.event_number,
        prices.group_number,
        prices.rank,
        prices.payout_level,
        prices.payout_group_id,
        prices.payout_restrictions,
        coalesce(
            prices.payout,
            cast(
                cast(actions.amount as numeric(20, 6)) * cast(prices.payout_rate as numeric(12, 6)) / 100
                as {{ money }}
            )
        ) as price,
        -- each change rounds the payout, and the amount to the cent
        case
            when prices.payout is not null then 0
            else cast(
                cast(exactness.unit as numeric(12, 7)) * (coalesce(priced.changes, 0) + 0.5)
                + cast(coalesce(prices.payout_rate, 0) as numeric(12, 6))
                * coalesce(priced.changes, 0) / 10000
                as {{ money }}
            )
        end as tolerance
    from actions
    left join priced
        on actions.id = priced.action_id
        and coalesce(actions.connection_label, '') = coalesce(priced.connection_label, '')
        and priced.place = 1
    left join prices
        on priced.contract_id = prices.contract_id
        and coalesce(priced.event_type_id, actions.action_tracker_id) = prices.event_type_id
        and coalesce(actions.connection_label, '') = coalesce(prices.connection_label, '')
        -- what is restored may pay what it did before
        and (
            priced.was_reversed = 1
            or (prices.version_before is null or priced.priced_at >= prices.date_last_updated)
            and (prices.version_after is null or priced.priced_at < prices.version_after)
        )
    left join exactness
        on actions.campaign_id = exactness.campaign_id
        and coalesce(actions.connection_label, '') = coalesce(exactness.connection_label, '')
),

-- the price that is paid comes first, else the default
ranked as (
    select
        *,
        coalesce(abs(payout - price) <= tolerance, false) as is_paid,
        min(case when is_in_force then price end) over (partition by id, connection_label) as least,
        max(case when is_in_force then price end) over (partition by id, connection_label) as most,
        max(group_number) over (partition by id, connection_label) as payout_groups,
        max(case when payout_restrictions is not null then 1 else 0 end) over (
            partition by id, connection_label
        ) as has_restrictions,
        row_number() over (
            partition by id, connection_label
            order by
                case when abs(payout - price) <= tolerance and is_in_force then 0 else 1 end,
                case when abs(payout - price) <= tolerance then 0 else 1 end,
                case when is_in_force then 0 else 1 end,
                case when group_number = 0 then 0 else 1 end,
                event_number,
                rank,
                group_number
        ) as place
    from candidates
),

explained as (
    select
        *,
        case when state = 'REVERSED' then 0 else price end as expected_payout,
        case
            when state = 'REVERSED' and payout = 0 then 'reversed'
            when price is null then 'no_terms'
            when is_paid and not is_in_force then 'restored'
            when is_paid and group_number = 0 then 'default'
            when is_paid then 'payout_group'
            when
                payout_groups > 0
                and payout_level = 'ITEM'
                and payout between least - tolerance and most + tolerance
                then 'payout_groups'
            when payout = 0 and has_restrictions = 1 then 'restricted'
            when was_payout_changed_alone = 1 then 'changed_by_brand'
            when terms_since > priced_at then 'terms_not_known'
            else 'unexplained'
        end as reason
    from ranked
    where place = 1
)

select
    id as action_id,
    connection_label,
    campaign_id,
    campaign_name,
    event_day as day,
    state,
    currency,
    amount,
    payout,
    contract_id,
    priced_at,
    terms_since,
    case when reason = 'payout_group' then payout_group_id end as payout_group_id,
    cast(expected_payout as {{ money }}) as expected_payout,
    cast(payout - expected_payout as {{ money }}) as difference,
    reason
from explained
