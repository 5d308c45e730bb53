// The ingress as one would write it in Go: net/http, franz-go's ProduceSync (acks=all, idempotent), the same record and
// headers as ours. It has no templates, no limits, no deadlines and no metrics.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type pair struct {
	Token string  `json:"token"`
	AppID *string `json:"app_id"`
}

type report struct {
	SchemaVersion int     `json:"schema_version"`
	ID            string  `json:"id"`
	Kind          string  `json:"kind"`
	ReceivedAt    int64   `json:"received_at"`
	Selector      string  `json:"selector"`
	Username      *string `json:"username"`
	Calls         *pair   `json:"calls"`
	Other         *pair   `json:"other"`
	InstallID     *string `json:"install_id"`
	UserAgent     *string `json:"user_agent"`
	Origin        string  `json:"origin"`
	Reason        *string `json:"reason"`
}

// posted is the specification's JSON; its GET has the same names.
type posted struct {
	Selector   string `json:"selector"`
	CallsToken string `json:"token_calls"`
	CallsAppID string `json:"appid_calls"`
	OtherToken string `json:"token_msgs"`
	OtherAppID string `json:"appid_msgs"`
}

type server struct{ kafka *kgo.Client }

func (s server) get(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	s.produce(w, r, query.Get("username"), posted{
		query.Get("selector"), query.Get("token_calls"), query.Get("appid_calls"),
		query.Get("token_msgs"), query.Get("appid_msgs"),
	})
}

func (s server) post(w http.ResponseWriter, r *http.Request) {
	var found posted
	if err := json.NewDecoder(r.Body).Decode(&found); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.produce(w, r, r.PathValue("username"), found)
}

func (s server) produce(w http.ResponseWriter, r *http.Request, username string, found posted) {
	if found.Selector == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	now := time.Now()
	id := uuid7(now.UnixMilli())
	value, err := json.Marshal(report{
		SchemaVersion: 1, ID: id, Kind: "report", ReceivedAt: now.UnixMilli(), Selector: found.Selector,
		Username: text(username), Calls: pairOf(found.CallsToken, found.CallsAppID),
		Other: pairOf(found.OtherToken, found.OtherAppID), UserAgent: text(r.UserAgent()), Origin: "app",
	})
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	record := &kgo.Record{Key: []byte(found.Selector), Value: value, Headers: []kgo.RecordHeader{
		{Key: "ce_specversion", Value: []byte("1.0")},
		{Key: "ce_type", Value: []byte("push-token.report")},
		{Key: "ce_source", Value: []byte("/push-token-pipeline")},
		{Key: "ce_id", Value: []byte(id)},
		{Key: "ce_time", Value: []byte(now.UTC().Format("2006-01-02T15:04:05.000Z"))},
		{Key: "content-type", Value: []byte("application/json")},
	}}
	// Not the request's context: who hangs up does not take back what is under way.
	if err := s.kafka.ProduceSync(context.Background(), record).FirstErr(); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func text(value string) *string {
	if value == "" {
		return nil
	}
	return &value
}

func pairOf(token, appID string) *pair {
	if token == "" {
		return nil
	}
	return &pair{token, text(appID)}
}

// uuid7 is RFC 9562 section 5.7: the time in ms in front, random behind.
func uuid7(ms int64) string {
	high := uint64(ms)<<16 | 0x7000 | rand.Uint64()&0xfff
	low := 1<<63 | rand.Uint64()>>2
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", high>>32, high>>16&0xffff, high&0xffff, low>>48, low&0xffffffffffff)
}

// Arguments: Kafka's servers (a,b), topic, address to listen on.
func main() {
	kafka, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(os.Args[1], ",")...),
		kgo.DefaultProduceTopic(os.Args[2]),
		kgo.ProducerBatchCompression(kgo.NoCompression()), // as the others; its default is snappy
		kgo.ProducerLinger(0),                             // its default of 10 ms is for those who do not wait
	)
	if err != nil {
		log.Fatal(err)
	}
	s := server{kafka}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /token/{$}", s.get)
	mux.HandleFunc("POST /token/{username}/", s.post)
	web := &http.Server{Addr: os.Args[3], Handler: mux}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	go func() {
		<-stop.Done()
		deadline, done := context.WithTimeout(context.Background(), 10*time.Second)
		defer done()
		_ = web.Shutdown(deadline)
	}()
	if err := web.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	deadline, done := context.WithTimeout(context.Background(), 10*time.Second)
	defer done()
	_ = kafka.Flush(deadline)
	kafka.Close()
}
