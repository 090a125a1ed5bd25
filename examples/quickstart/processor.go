package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/redrive-go/redrive/asyncevents"
)

// Actions of the loyalty programme.
const (
	actionPointAdd    = "point_add"
	actionPointDeduct = "point_deduct"
	actionCheckout    = "checkout"
)

// codeRedeemTooHigh is the code of a checkout that is paid with more points than it is worth.
const codeRedeemTooHigh = 301001

// pointValue is what a point is worth at a checkout.
const pointValue = 0.01

// newValidator decides what the intake takes.
func newValidator(anyAction bool) asyncevents.Validator {
	if anyAction {
		return nil
	}
	return asyncevents.All(
		asyncevents.RequireFields("customer", "action", "data"),
		asyncevents.AllowedActions(actionPointAdd, actionPointDeduct, actionCheckout),
	)
}

// purchase is what the result of an event says.
type purchase struct {
	Customer string  `json:"customer,omitempty"`
	Action   string  `json:"action,omitempty"`
	Points   float64 `json:"points"`
	Paid     float64 `json:"paid,omitempty"`
}

// processLoyalty says what an event is worth in points. It only computes, so a second run of the same event does no harm;
// one that keeps balances stores the event's ID with the balance, in one transaction.
func processLoyalty(_ context.Context, event asyncevents.Event) (any, error) {
	var data map[string]any
	// Anything but an object has no points; the validator has decided whether that is taken.
	_ = json.Unmarshal(event.Data, &data)
	result := purchase{Customer: event.Customer, Action: event.Action}
	switch event.Action {
	case actionPointAdd:
		result.Points = number(data["points"])
	case actionPointDeduct:
		result.Points = -number(data["points"])
	case actionCheckout:
		return checkOut(result, number(data["amount"]), number(data["redeem"]))
	}
	return result, nil
}

// checkOut pays with points first, and gives a point for every whole unit that is paid otherwise.
func checkOut(result purchase, amount, redeem float64) (any, error) {
	worth := redeem * pointValue
	if worth > amount {
		return nil, asyncevents.Reject("RedeemTooHigh", codeRedeemTooHigh,
			fmt.Sprintf("%g points are worth %.2f, more than the amount of %.2f", redeem, worth, amount))
	}
	result.Paid = math.Round((amount-worth)*100) / 100
	result.Points = math.Floor(result.Paid) - redeem
	return result, nil
}

// number is a JSON number, or 0 for anything else.
func number(value any) float64 {
	n, _ := value.(float64)
	return n
}
