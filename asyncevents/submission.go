package asyncevents

// Submission is one event as a client sent it.
type Submission struct {
	// Body is the JSON object that makes the event, unless ContentType or Attributes say that it is of a CloudEvent. It is kept as it
	// is and must not be changed afterwards.
	Body []byte
	// IdempotencyKey, when not empty, makes sending again safe for a Body without a correlation_id: the correlation id follows from
	// it and Client. Handler takes it from the header of that name. Where the Body has a correlation_id, that alone names the event,
	// and the key is not looked at.
	IdempotencyKey string
	// ContentType is the media type of Body: application/cloudevents+json for a CloudEvent in structured content mode, and for one in
	// binary content mode that of its data. Otherwise it is not looked at: Body is JSON.
	ContentType string
	// Attributes, when not nil, are those of a CloudEvent in binary content mode, whose data is Body: by their names, "id" for one,
	// without datacontenttype, which is ContentType.
	Attributes map[string]string
	// Client is whose IdempotencyKey it is: the same key of another client is another event. Handler takes it from
	// Config.Authenticate.
	Client string
}

// Accepted says what became of a Submission that was taken.
type Accepted struct {
	// CorrelationID names the event: the client's choice, or generated.
	CorrelationID string
	// Status is where the event stands: StatusQueued, or its present status when Replayed.
	Status Status
	// Replayed is whether the same event had been accepted before, so that nothing was added now.
	Replayed bool
}
