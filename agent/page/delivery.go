package page

import (
	"context"
	"fmt"
	"time"

	"github.com/xetys/tether/agent/reads"
)

// delivery are the metrics of dora.dev, drawn.
type delivery struct {
	Figures []figure
	Bars    []bar
	Days    int
	// Short says that the ledger does not reach back so far.
	Short bool
	Most  int
	Width int
}

type figure struct{ Label, Value, Note string }

// bar is a day: how high the deployments stand that went well, and those that failed.
type bar struct {
	X                int
	GoodY, GoodH     int
	FailedY, FailedH int
	Title            string
}

// The size of the drawing, in its own units.
const (
	barWidth  = 12
	barHeight = 64
)

func (p *Pages) delivery(ctx context.Context, name string) (delivery, error) {
	d, err := p.Reader.Delivered(ctx, name, p.Now().AddDate(0, 0, -reads.DeliveryDays))
	if err != nil {
		return delivery{}, err
	}
	return deliveryOf(d), nil
}

func deliveryOf(d *reads.Delivery) delivery {
	out := delivery{Days: reads.DeliveryDays, Short: !d.Complete, Figures: []figure{
		{"Deployment frequency", fmt.Sprintf("%.1f a day", d.DeploysPerDay), count(d.Deployments, "deployment")},
		{"Change lead time", seconds(d.LeadTime), "median, from commit to healthy"},
		{"Change fail rate", fmt.Sprintf("%.0f %%", 100*d.ChangeFailRate), fmt.Sprintf("%d failed", d.Failed)},
		{"Failed deployment recovery time", seconds(d.RecoveryTime), fmt.Sprintf("median; %d not recovered", d.Unrecovered)},
		{"Rework rate", fmt.Sprintf("%.0f %%", 100*d.ReworkRate), fmt.Sprintf("%d to mend another", d.Rework)},
	}}
	for _, day := range d.Days {
		out.Most = max(out.Most, day.Deployments)
	}
	out.Width = barWidth * len(d.Days)
	for i, day := range d.Days {
		b := bar{X: i * barWidth, Title: fmt.Sprintf("%s: %s, %d failed", day.Date, count(day.Deployments, "deployment"), day.Failed)}
		if out.Most > 0 {
			b.FailedH = day.Failed * barHeight / out.Most
			b.GoodH = (day.Deployments - day.Failed) * barHeight / out.Most
		}
		b.GoodY, b.FailedY = barHeight-b.GoodH, barHeight-b.GoodH-b.FailedH
		out.Bars = append(out.Bars, b)
	}
	return out
}

func seconds(n *int64) string {
	if n == nil {
		return "–"
	}
	return span(time.Duration(*n) * time.Second)
}
